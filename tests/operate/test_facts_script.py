"""The script runs on made-up trees in real shells; its answer is read whatever a node says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.api.facts_types import NodeDisk
from graped.operate.facts.script import FACTS, SCRIPT, Facts, parse, words_of

SHELLS = [shell for shell in (("dash",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]
CPUINFO = "processor\t: 0\nprocessor\t: 1\nprocessor\t: 2\nprocessor\t: 3\nSerial\t\t: 10000000abcdef01\n"


def ask(root: Path, shell: tuple[str, ...] = ("sh",), path: str = "") -> Facts:
    env = {"GRAPE_ROOT": str(root), "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    done = subprocess.run([*shell, "-s"], input=SCRIPT, env=env, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    return parse(done.stdout)


def put(root: Path, name: str, content: str | bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    put(tmp_path, "proc/device-tree/model", b"Raspberry Pi 4 Model B Rev 1.4\0")
    put(tmp_path, "proc/cpuinfo", CPUINFO)
    put(tmp_path, "proc/loadavg", "0.51 0.40 0.30 1/234 5678\n")
    put(tmp_path, "proc/uptime", "3605.12 14000.00\n")
    put(tmp_path, "proc/stat", "cpu 1 2 3\nbtime 1795712413\n")
    put(tmp_path, "proc/sys/kernel/random/boot_id", "9b65ad49-7bf7-4cd2-809a-f76dac8fd8ca\n")
    put(tmp_path, "proc/meminfo", "MemTotal:        3884400 kB\nMemFree: 1 kB\nMemAvailable:    3600000 kB\n")
    put(tmp_path, "etc/os-release", 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "52583\n")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_a_pi_tells_all(pi: Path, shell: tuple[str, ...]) -> None:
    put(pi, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    facts = ask(pi, shell)
    assert (facts.model, facts.serial) == ("Raspberry Pi 4 Model B Rev 1.4", "10000000abcdef01")
    assert (facts.os, facts.cpus, facts.load) == ("Debian GNU/Linux 12 (bookworm)", 4, (0.51, 0.4, 0.3))
    assert (facts.kernel, facts.arch) == (os.uname().release, os.uname().machine)
    assert (facts.temperature_celsius, facts.temperature_source) == (52.583, "thermal_zone0 cpu-thermal")
    assert facts.throttled == facts.throttled_before == ("under-voltage", "throttled")
    assert facts.throttled_source == "get_throttled of the firmware driver"
    assert (facts.memory_bytes, facts.memory_free_bytes) == (3884400 * 1024, 3600000 * 1024)
    assert (facts.booted, facts.uptime_s) == (1795712413.0, 3605.12)
    assert facts.boot_id == "9b65ad49-7bf7-4cd2-809a-f76dac8fd8ca"
    usage = shutil.disk_usage("/")
    assert facts.disks[0].size_bytes == usage.total
    assert set(facts.missing) <= {"/var/lib/docker"}


def test_vcgencmd_is_asked_where_the_kernel_does_not_tell(pi: Path) -> None:
    shutil.rmtree(pi / "sys/class/thermal")
    put(pi, "bin/vcgencmd", '#!/bin/sh\n[ $1 = measure_temp ] && echo "temp=48.3\'C" || echo throttled=0x80000\n')
    (pi / "bin/vcgencmd").chmod(0o755)
    facts = ask(pi, path=str(pi / "bin"))
    assert (facts.temperature_celsius, facts.temperature_source) == (48.3, "vcgencmd")
    assert (facts.throttled, facts.throttled_before) == ((), ("soft temperature limit",))
    assert facts.throttled_source == "vcgencmd get_throttled"


def test_a_vcgencmd_that_may_not_ask_says_so(pi: Path) -> None:
    put(pi, "bin/vcgencmd", "#!/bin/sh\necho 'VCHI initialization failed' >&2\nexit 1\n")
    (pi / "bin/vcgencmd").chmod(0o755)
    facts = ask(pi, path=str(pi / "bin"))
    assert facts.throttled is None
    assert facts.missing["throttled"] == "vcgencmd: VCHI initialization failed"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_a_machine_that_tells_nothing_says_of_each_fact_why(tmp_path: Path, shell: tuple[str, ...]) -> None:
    facts = ask(tmp_path, shell)
    assert facts.missing["model"] == "neither a device tree nor DMI names it"
    assert facts.missing["temperature"] == "no thermal zone and no vcgencmd"
    told = {"kernel", "arch", "disk:/", "cpus"}  # by programs, not by files
    assert {fact for fact in FACTS if fact not in facts.missing} <= told
    assert (facts.model, facts.load, facts.booted) == (None, (), None)


def test_a_pc_is_named_by_its_dmi_and_measured_by_its_package(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/dmi/id/product_name", "Standard PC (i440FX + PIIX, 1996)\n")
    for zone, kind, value in ((0, "acpitz", 27800), (1, "x86_pkg_temp", 41000)):
        put(tmp_path, f"sys/class/thermal/thermal_zone{zone}/type", f"{kind}\n")
        put(tmp_path, f"sys/class/thermal/thermal_zone{zone}/temp", f"{value}\n")
    facts = ask(tmp_path)
    assert facts.model == "Standard PC (i440FX + PIIX, 1996)"
    assert (facts.temperature_celsius, facts.temperature_source) == (41.0, "thermal_zone1 x86_pkg_temp")


def test_a_disk_of_its_own_for_docker_is_told_and_the_same_one_is_not() -> None:
    root = "disk:/ 10.77.0.1:/srv/root one 1000 400 600 40% /\n"
    own = "disk:/var/lib/docker /dev/loop0 500 100 400 20% /var/lib/docker\n"
    first = NodeDisk(mount="/", source="10.77.0.1:/srv/root one", size_bytes=1000 * 1024, used_bytes=400 * 1024)
    second = NodeDisk(mount="/var/lib/docker", source="/dev/loop0", size_bytes=500 * 1024, used_bytes=100 * 1024)
    assert parse(root + own).disks == (first, second)
    assert parse(root + root.replace("disk:/", "disk:/var/lib/docker", 1)).disks == (first,)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0x0, ()),
        (0x1, ("under-voltage",)),
        (0x6, ("frequency capped", "throttled")),
        (0x8, ("soft temperature limit",)),
        (0x50000, ()),
    ],
)
def test_bits_of_throttling(bits: int, words: tuple[str, ...]) -> None:
    assert words_of(bits) == words


@given(st.text())
def test_whatever_a_node_says_is_read(text: str) -> None:
    assert set(FACTS) - {"disk:/"} - set(parse(text).missing) - _told(text) == set()


@given(st.sampled_from([*FACTS, "temperature_vc", "disk:/var/lib/docker"]), st.text())
def test_whatever_a_node_says_of_a_fact_is_read(fact: str, value: str) -> None:
    facts = parse(f"{fact} {value}\n")
    for number in (facts.temperature_celsius, facts.uptime_s, facts.booted, *facts.load):
        assert number is None or abs(number) < 1e11


def _told(text: str) -> set[str]:
    return {line.partition(" ")[0] for line in text.splitlines()}
