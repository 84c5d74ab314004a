"""Who starts a server of the cluster and keeps it running: see ``spec.Servers``."""

from graped.netboot.servers.processes import ProcessServers
from graped.netboot.servers.spec import Servers, ServerSpec
from graped.netboot.servers.systemd import SystemdServers

__all__ = ["ProcessServers", "ServerSpec", "Servers", "SystemdServers"]
