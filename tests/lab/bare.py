"""A dnsmasq as a person would write it: the yardstick for what graped runs, and the tools' own partner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.lab.network import Place

CONFIG = """port=0
interface=eth0
bind-interfaces
dhcp-range={network},static,{mask}
dhcp-authoritative
dhcp-ignore=tag:!known
dhcp-match=set:rpi3b,97,00:44:44:44:44
dhcp-reply-delay=tag:rpi3b,1
pxe-service=0,"{menu}"
enable-tftp
tftp-root={room}/tftp
tftp-unique-root=mac
tftp-max=150
dhcp-leasefile={room}/leases
dhcp-hostsdir={room}/hosts
log-dhcp
log-facility={room}/dnsmasq.log
pid-file
user=root
"""


class BareDnsmasq:
    """dnsmasq at a place that has an address, with one folder of boot files for all ``nodes`` (MAC -> address)."""

    def __init__(
        self, place: Place, boot: Path, nodes: Mapping[str, str], *, menu: str = "Raspberry Pi Boot   "
    ) -> None:
        self.room = place.network.run.folder(f"dnsmasq-{place.name}")
        (self.room / "tftp").mkdir()
        (self.room / "hosts").mkdir()
        for mac, address in nodes.items():
            dashed = mac.replace(":", "-")
            (self.room / "tftp" / dashed).symlink_to(boot)
            (self.room / "hosts" / dashed).write_text(f"{mac},{address},infinite\n")
        assert place.address is not None
        network = place.address.network
        config = CONFIG.format(room=self.room, network=network.network_address, mask=network.netmask, menu=menu)
        (self.room / "dnsmasq.conf").write_text(config)
        command = ("dnsmasq", "--keep-in-foreground", f"--conf-file={self.room}/dnsmasq.conf")
        self.process = place.spawn(*command, log=self.room / "out")

    def log(self) -> str:
        """What it has said."""
        return (self.room / "dnsmasq.log").read_text(errors="replace")
