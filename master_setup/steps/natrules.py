"""NAT and forwarding for the nodes: one nftables table of ours, loaded by a unit of ours. Pure.

Debian's ``nftables.service`` is off by default, and begins by flushing everybody's rules: it is not switched on for us.
Where it runs, our unit follows its restarts and reloads.
Sources: nft(8); systemd.unit(5); libnetwork ``setup_ip_forwarding.go``: Docker drops what is forwarded when it was the
one to switch forwarding on, and leaves its chain DOCKER-USER to the administrator.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

RULES_FILE: Final = "/etc/grape/nat.nft"
UNIT: Final = "grape-nat.service"
UNIT_FILE: Final = f"/etc/systemd/system/{UNIT}"
SYSCTL_FILE: Final = "/etc/sysctl.d/90-grape.conf"
FORWARD: Final = "net.ipv4.ip_forward"
TABLE: Final = "inet grape"


def rules(network: IPv4Network, cluster: str, uplink: str) -> str:
    """Return the rules: nodes reach what is beyond the uplink, from where nobody reaches them unasked."""
    return f"""\
# Written by Grape's master_setup: the nodes of {network} reach the world through {uplink}.
# Made anew in one go each time it is loaded; no other table is touched.
table {TABLE}
delete table {TABLE}
table {TABLE} {{
	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname "{uplink}" oifname "{cluster}" ct state established,related accept
		iifname "{uplink}" oifname "{cluster}" drop
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {network} oifname "{uplink}" masquerade
	}}
}}
"""


def unit(cluster: str, uplink: str) -> str:
    """Return the unit that loads the rules, after others have flushed theirs, and tells Docker's chain of them."""
    there = f"-i {cluster} -o {uplink} -j ACCEPT"
    back = f"-i {uplink} -o {cluster} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    return f"""\
# Written by Grape's master_setup.
[Unit]
Description=Grape: the nodes reach the world through {uplink}
After=nftables.service docker.service network-pre.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {RULES_FILE}
# Docker drops what is forwarded, where it was Docker who switched forwarding on.
ExecStartPost=-/bin/sh -c '{_docker("I", there)}; {_docker("I", back)}'
ExecReload=/usr/sbin/nft -f {RULES_FILE}
ExecStop=-/usr/sbin/nft delete table {TABLE}
ExecStopPost=-/bin/sh -c '{_docker("D", there)}; {_docker("D", back)}'

[Install]
WantedBy=multi-user.target
"""


def sysctl() -> str:
    """Return the setting that has the kernel forward packets from the next boot on."""
    return f"# Written by Grape's master_setup: nodes reach the world through this machine.\n{FORWARD} = 1\n"


def _docker(verb: str, rule: str) -> str:
    """Return a shell command that puts a rule into Docker's chain, or takes it out; nothing without such a chain."""
    there = f"iptables -w -C DOCKER-USER {rule} 2>/dev/null"
    return (
        f"{there} || iptables -w -I DOCKER-USER {rule} 2>/dev/null"
        if verb == "I"
        else (f"{there} && iptables -w -D DOCKER-USER {rule} 2>/dev/null")
    )
