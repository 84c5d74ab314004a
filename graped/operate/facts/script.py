"""What a node is asked for its facts: one script for any POSIX shell, and the reading of its answer. Pure.

The script writes a line a fact, ``name value``, or ``-name why`` where the node does not tell it. It needs no root,
writes nothing, and takes what it finds: a Debian, a busybox, with or without the programs of a Raspberry Pi.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from graped.api.facts_types import NodeDisk, ThrottleWord

T = TypeVar("T")

LONGEST_VALUE: Final = 200  # characters; who runs the node may say anything
LONGEST_ANSWER: Final = 16_384

# GRAPE_ROOT: a made-up tree in tests. df -P -k is POSIX; a network root that is gone must not hold the script up.
SCRIPT: Final = r"""
PATH=$PATH:/usr/sbin:/sbin:/opt/vc/bin
LC_ALL=C
export LC_ALL
r=${GRAPE_ROOT:-}
say() { [ -n "$2" ] && printf '%s %s\n' "$1" "$2" || printf -- '-%s %s\n' "$1" "$3"; }
word() { [ -r "$1" ] && tr -d '\000' <"$1" 2>/dev/null | head -n 1; }
first() { for f; do v=$(word "$f"); [ -z "$v" ] || { printf '%s\n' "$v"; return; }; done; }
dt=$r/proc/device-tree dmi=$r/sys/class/dmi/id
say model "$(first $dt/model $dmi/product_name)" 'neither a device tree nor DMI names it'
serial=$(first $dt/serial-number)
[ -n "$serial" ] || serial=$(sed -n 's/^Serial[[:space:]]*: //p' $r/proc/cpuinfo 2>/dev/null | head -n 1)
[ -n "$serial" ] || serial=$(first $dmi/product_serial)
why='neither a device tree nor DMI has one'
[ ! -e $dmi/product_serial ] || [ -r $dmi/product_serial ] || why='only root may read it'
say serial "$serial" "$why"
say kernel "$(uname -r 2>/dev/null)" 'uname does not tell'
say arch "$(uname -m 2>/dev/null)" 'uname does not tell'
os=$(sed -n 's/^PRETTY_NAME=//p' $r/etc/os-release 2>/dev/null | head -n 1)
os=${os#\"}
say os "${os%\"}" 'no /etc/os-release'
cpus=$(grep -c '^processor' $r/proc/cpuinfo 2>/dev/null)
[ "${cpus:-0}" != 0 ] || cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null)
say cpus "$cpus" 'no /proc/cpuinfo'
say load "$(word $r/proc/loadavg)" 'no /proc/loadavg'
say uptime "$(word $r/proc/uptime)" 'no /proc/uptime'
say booted "$(sed -n 's/^btime //p' $r/proc/stat 2>/dev/null)" 'no btime in /proc/stat'
say boot_id "$(word $r/proc/sys/kernel/random/boot_id)" 'no /proc/sys/kernel/random/boot_id'
say memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' $r/proc/meminfo 2>/dev/null)" 'no /proc/meminfo'
say memory_free "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' $r/proc/meminfo 2>/dev/null)" \
    'no MemAvailable in /proc/meminfo'
vc=$(command -v vcgencmd)
pick=
for z in $r/sys/class/thermal/thermal_zone*; do
    [ -r "$z/temp" ] || continue
    case $(word "$z/type") in *cpu* | *x86_pkg* | *soc* | *k10temp*) pick=$z; break ;; esac
    [ -n "$pick" ] || pick=$z
done
t=
[ -z "$pick" ] || t=$(word "$pick/temp")
if [ -n "$t" ]; then
    printf 'temperature %s %s\n' "$t" "${pick##*/} $(word "$pick/type")"
elif [ -n "$vc" ] && t=$(vcgencmd measure_temp 2>/dev/null) && t=${t#temp=} && [ -n "$t" ]; then
    printf 'temperature_vc %s vcgencmd\n' "${t%%?C}"
else
    echo '-temperature no thermal zone and no vcgencmd'
fi
s=
for f in $r/sys/devices/platform/soc/soc:firmware/get_throttled \
    $r/sys/devices/platform/soc*/*firmware/get_throttled; do
    s=$(word "$f")
    [ -z "$s" ] || { printf 'throttled %s get_throttled of the firmware driver\n' "$s"; break; }
done
if [ -z "$s" ]; then
    if [ -n "$vc" ] && s=$(vcgencmd get_throttled 2>&1) && case $s in throttled=*) ;; *) false ;; esac; then
        printf 'throttled %s vcgencmd get_throttled\n' "${s#throttled=}"
    elif [ -n "$vc" ]; then
        printf -- '-throttled vcgencmd: %s\n' "$s"
    else
        echo '-throttled no vcgencmd, and no firmware driver that tells'
    fi
fi
bounded=
command -v timeout >/dev/null && bounded='timeout 3'
for m in / /var/lib/docker; do
    [ -d "$m" ] || { printf -- '-disk:%s there is no such folder\n' "$m"; continue; }
    d=$($bounded df -P -k "$m" 2>/dev/null | sed -n '2p')
    say "disk:$m" "$d" 'df does not answer'
done
"""

# Source: Raspberry Pi documentation, vcgencmd, get_throttled. The same bits 16 higher: has happened since boot.
_BITS: Final[tuple[tuple[int, ThrottleWord], ...]] = (
    (0, "under-voltage"),
    (1, "frequency capped"),
    (2, "throttled"),
    (3, "soft temperature limit"),
)
_SINCE_BOOT: Final = 16
_UNSAID: Final = "the node did not say"
FACTS: Final = (
    "model", "serial", "kernel", "arch", "os", "cpus", "load", "temperature", "throttled",
    "memory", "memory_free", "booted", "boot_id", "uptime", "disk:/",
)  # fmt: skip
_BOOT_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a node said; None or empty where it did not, and then ``missing`` has the reason. ``booted``: unix time."""

    model: str | None = None
    serial: str | None = None
    kernel: str | None = None
    arch: str | None = None
    os: str | None = None
    cpus: int | None = None
    load: tuple[float, ...] = ()
    temperature_celsius: float | None = None
    temperature_source: str = ""
    throttled: tuple[ThrottleWord, ...] | None = None
    throttled_before: tuple[ThrottleWord, ...] | None = None
    throttled_source: str = ""
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    disks: tuple[NodeDisk, ...] = ()
    booted: float | None = None
    boot_id: str | None = None
    uptime_s: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


def parse(answer: str) -> Facts:
    """Read what the script wrote. Never raises: what cannot be read is missing, and said so."""
    said, missing = _lines(answer[:LONGEST_ANSWER])
    read = _Reader(said, missing)
    temperature, source = read.sourced("temperature", lambda text: int(text, 10) / 1000)
    if temperature is None and "temperature_vc" in said:
        temperature, source = read.sourced("temperature_vc", _number)
    bits, bits_source = read.sourced("throttled", lambda text: int(text, 16))
    root, docker = read.take("disk:/", _disk), read.take("disk:/var/lib/docker", _disk)
    disks = [one for one in (root, docker) if one is not None]
    if root is not None and docker is not None and (root.mount, root.source) == (docker.mount, docker.source):
        disks = [root]
    for fact in FACTS:
        if fact not in said and fact not in missing and not (fact == "temperature" and temperature is not None):
            missing[fact] = _UNSAID
    if temperature is not None:
        missing.pop("temperature", None)
    return Facts(
        model=read.take("model", str), serial=read.take("serial", str), kernel=read.take("kernel", str),
        arch=read.take("arch", str), os=read.take("os", str), cpus=read.take("cpus", int),
        load=read.take("load", _load) or (), temperature_celsius=temperature, temperature_source=source,
        throttled=None if bits is None else words_of(bits),
        throttled_before=None if bits is None else words_of(bits >> _SINCE_BOOT), throttled_source=bits_source,
        memory_bytes=read.take("memory", _kib), memory_free_bytes=read.take("memory_free", _kib), disks=tuple(disks),
        booted=read.take("booted", _finite), boot_id=read.take("boot_id", _boot_id),
        uptime_s=read.take("uptime", lambda text: _finite(text.split()[0])),
        missing={name.removeprefix("disk:"): why for name, why in missing.items()},
    )  # fmt: skip


def words_of(bits: int) -> tuple[ThrottleWord, ...]:
    """Say the four lowest bits of ``get_throttled`` in words."""
    return tuple(word for bit, word in _BITS if bits & 1 << bit)


class _Reader:
    """Reads values; one that makes no sense is missing."""

    def __init__(self, said: Mapping[str, str], missing: dict[str, str]) -> None:
        self._said = said
        self._missing = missing

    def take(self, name: str, read: Callable[[str], T]) -> T | None:
        text = self._said.get(name)
        if text is None:
            return None
        try:
            return read(text)
        except (ValueError, IndexError, OverflowError):
            self._missing[name] = f"the node said {text[:60]!r}"
            return None

    def sourced(self, name: str, read: Callable[[str], T]) -> tuple[T | None, str]:
        """Read a value that is followed by who told it."""
        value = self.take(name, lambda text: read(text.partition(" ")[0]))
        return value, "" if value is None else self._said[name].partition(" ")[2].strip()


def _lines(answer: str) -> tuple[dict[str, str], dict[str, str]]:
    """Tell what was said, and what is missing and why."""
    said: dict[str, str] = {}
    missing: dict[str, str] = {}
    for line in answer.splitlines():
        name, _, text = line.partition(" ")
        text = "".join(char if char.isprintable() else " " for char in text).strip()[:LONGEST_VALUE]
        if name.startswith("-"):
            missing.setdefault(name[1:], text)
        elif text:
            said.setdefault(name, text)
    known = {*FACTS, "temperature_vc", "disk:/var/lib/docker"}
    return {name: said[name] for name in said if name in known}, {
        name: missing[name] for name in missing if name in known
    }


def _load(text: str) -> tuple[float, ...]:
    return tuple(_finite(word) for word in text.split()[:3])


def _finite(word: str) -> float:
    value = _number(word)
    if value < 0:
        raise ValueError(word)
    return value


def _number(word: str) -> float:
    value = float(word)
    if not abs(value) < 1e11:  # neither infinite nor no number
        raise ValueError(word)
    return value


def _kib(text: str) -> int:
    return int(text) * 1024


def _boot_id(text: str) -> str:
    if not _BOOT_ID.fullmatch(text):
        raise ValueError(text)
    return text


def _disk(text: str) -> NodeDisk:
    """Read a line of ``df -P -k``: source, blocks, used, available, capacity, mount. The source may have spaces."""
    words = text.split()
    at = next((index for index in range(len(words) - 1, 3, -1) if words[index].endswith("%")), 0)
    if not at:
        raise ValueError(text)
    size, used = int(words[at - 3]), int(words[at - 2])
    return NodeDisk(
        mount=" ".join(words[at + 1 :]),
        source=" ".join(words[: at - 3]),
        size_bytes=size * 1024,
        used_bytes=used * 1024,
    )
