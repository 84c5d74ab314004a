"""What each value may be: its type, its bounds, and the words that tell them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from graped.config import net_values, types
from graped.config.expected import Expected, absolute, count, number, text

LONGEST_SOCKET_PATH: Final = 107  # bytes, without the closing zero. Source: unix(7), sun_path
_HOST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)  # RFC 1123, 2.1
_VERSION: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,2}", re.ASCII)
_GROUP: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", re.ASCII)


def _fits_a_socket(path: Path) -> Path:
    if len(str(path).encode()) > LONGEST_SOCKET_PATH:
        raise ValueError(path)
    return path


def _printable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError(name)
    return name


def _one_line(words: str) -> str:
    if words and (not words.strip() or not words.isprintable()):
        raise ValueError(words)
    return words


_seconds = "seconds"
_watts = "watts"
_ABSOLUTE = Annotated[Path, AfterValidator(absolute), Expected("an absolute path")]
_BUS = count(0, 1, "an I2C bus")
_BCM_PIN = count(0, 27, "a BCM pin number")
_DOCKER_GB = number(0, 10_000, "gigabytes")
_FLAG = Annotated[bool, Expected("true or false")]
HOST_NAME = text(_HOST_NAME, "a host name (letters, digits and inner dashes, at most 63)")

LIMITS: Final[dict[type, dict[str, Any]]] = {
    types.Device: {
        "mac": Annotated[str, Expected("a MAC address such as b8:27:eb:2c:c0:04")],
        "name": HOST_NAME,
        "watts": number(0, 1000, _watts, above=True),
        "address": net_values.ADDRESS,
        "model": types.Model,
        "serial": net_values.SERIAL,
        "boot": types.Boot,
        "image": net_values.IMAGE,
        "strategy": types.Strategy,
        "docker_gb": _DOCKER_GB,
        "role": types.Role,
        "recovery": types.RecoveryMode,
        "quarantine": Annotated[
            str, Field(max_length=200), AfterValidator(_one_line), Expected("a reason in one line")
        ],
    },
    types.Stack: {
        "driver": Annotated[str, Expected("the name of a driver")],
        "bus": _BUS,
        "address": count(0, 7, "the address set by A0, A1 and A2"),
        "meter": _FLAG,
        "shunt_ohms": number(0, 1, "ohms", above=True),
        "budget_watts": number(0, 100_000, _watts, above=True),
    },
    types.Cluster: {
        "name": Annotated[
            str, Field(max_length=64), AfterValidator(_printable), Expected("a name of 1 to 64 characters")
        ],
    },
    types.PowerPolicy: {
        "at_start": types.AtStart,
        "stagger_s": number(0, 600, _seconds),
        "inrush_s": number(0, 600, _seconds),
        "max_inrush": count(1, 96),
        "max_booting": count(1, 96),
        "boot_gate_s": number(0, 3600, _seconds),
        "node_watts": number(0, 1000, _watts, above=True),
        "cycle_off_s": number(0, 3600, _seconds),
        "guard_max_s": number(0, 86_400, _seconds),
        "soft_off_max_s": number(0, 86_400, _seconds),
        "settle_s": number(0, 600, _seconds),
        "give_up_s": number(0, 86_400, _seconds, above=True),
    },
    types.Poll: {
        "power_s": number(0, 60, _seconds, above=True),
        "meters_s": number(0, 3600, _seconds, above=True),
        "retry_max_s": number(0, 3600, _seconds, above=True),
    },
    types.Bus: {"deadline_s": number(0, 10, _seconds, above=True)},
    types.Api: {
        "socket": Annotated[
            Path,
            AfterValidator(absolute),
            AfterValidator(_fits_a_socket),
            Expected(f"an absolute path of at most {LONGEST_SOCKET_PATH} bytes"),
        ],
        "group": text(_GROUP, "the name of a group"),
    },
    types.Store: {
        "state_dir": _ABSOLUTE,
        "flush_s": number(0, 3600, _seconds, above=True),
        "events_days": number(0, 36_500, "days", above=True),
        "meters_raw_hours": number(0, 8760, "hours", above=True),
        "meters_days": number(0, 36_500, "days", above=True),
    },
    types.Display: {
        "enabled": _FLAG,
        "bus": _BUS,
        "address": count(0x20, 0x27, "the address of a PCA9555"),
        "refresh_s": number(0, 3600, _seconds, above=True),
    },
    types.Gpio: {"display_pin": _BCM_PIN, "overtemp_pin": _BCM_PIN},
    types.Temperature: {
        "overtemp_celsius": number(-55, 125, "degrees Celsius"),
        "hysteresis_celsius": number(-55, 125, "degrees Celsius"),
        "emergency_celsius": number(-55, 125, "degrees Celsius"),
    },
    types.Netboot: {
        "active": _FLAG,
        "interface": net_values.INTERFACE,
        "address": net_values.NETWORK,
        "first_host": count(1, 65_534, "the number of a host in the network"),
        "i_own_this_lan": _FLAG,
        "supervisor": types.Supervisor,
        "nfs": types.NfsServer,
        "folder": net_values.FOLDER,
        "image": net_values.IMAGE,
        "strategy": types.Strategy,
        "docker_gb": _DOCKER_GB,
        "domain": net_values.DOMAIN,
        "dns": net_values.ADDRESSES,
        "ntp": net_values.ADDRESSES,
        "tftp_max": count(1, 1000),
        "kernel_args": net_values.KERNEL_ARGS,
        "config_txt": net_values.CONFIG_TXT,
        "console": _FLAG,
        "syslog_port": count(1, 65_535, "a UDP port"),
        "netconsole_port": count(1, 65_535, "a UDP port"),
        "deadlines": types.Deadlines,
        "prepare": types.Prepare,
    },
    types.Deadlines: {
        f"{stage}_s": number(0, 86_400, _seconds, above=True) for stage in ("powered", "dhcp", "tftp", "kernel", "root")
    },
    types.Prepare: {"files": net_values.FILES, "scripts": net_values.SCRIPTS},
    types.Ssh: {
        "user": text(_GROUP, "the name of a user"),
        "port": count(1, 65_535, "a TCP port"),
        "authorized_keys": net_values.PUBLIC_KEYS,
        "facts_s": number(0, 86_400, _seconds),
    },
    types.RecoveryPolicy: {
        "mode": types.RecoveryMode,
        "patience_s": number(0, 86_400, _seconds),
        "max_cycles_per_hour": count(0, 60),
        "pause_s": number(0, 86_400, _seconds),
        "pause_max_s": number(0, 86_400, _seconds),
        "quarantine_after": count(1, 100),
        "mass_fraction": number(0, 1, "a part of all, such as 0.5"),
        "mass_window_s": number(0, 86_400, _seconds),
    },
    types.Docker: {
        "advertise": net_values.ADDRESS,
        "data_path": net_values.ADDRESS,
        "address_pool": net_values.POOL,
        "subnet_bits": count(8, 29, "the length of a prefix"),
        "heartbeat_s": number(1, 60, _seconds),
        "min_version": text(_VERSION, "a version such as 20.10"),
        "install": _FLAG,
        "debs": net_values.FOLDER,
        "drain_s": number(0, 86_400, _seconds),
        "forget_s": number(0, 1e9, _seconds),
        "master_tasks": _FLAG,
        "take_over": _FLAG,
        "retry_s": number(0, 3600, _seconds, above=True),
        "retry_max_s": number(0, 86_400, _seconds, above=True),
        "registry": _FLAG,
        "registry_port": count(1, 65_535, "a TCP port"),
        "elastic": types.Elastic,
    },
    types.Elastic: {
        "active": _FLAG,
        "nodes": Annotated[str, Field(min_length=1, max_length=1000), Expected("a node set such as @stack:0")],
        "min_nodes": count(0, 96),
        "max_nodes": count(0, 96),
        "quiet_s": number(0, 1e9, _seconds, above=True),
        "max_watts": number(0, 100_000, _watts, above=True),
    },
}
