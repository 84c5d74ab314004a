"""The effective configuration as TOML, and what differs between two."""

from __future__ import annotations

import io
import tomllib
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graped.config import flat
from graped.config.check import check, show
from graped.config.limits import LIMITS
from graped.config.render import diff, to_toml
from graped.config.types import (
    AtStart,
    Boot,
    Cluster,
    Config,
    Deadlines,
    Device,
    Docker,
    Elastic,
    Gpio,
    Model,
    Netboot,
    NfsServer,
    PowerPolicy,
    Prepare,
    Role,
    Ssh,
    Stack,
    Strategy,
    Supervisor,
    Temperature,
)

from .rig import DRIVERS, MAC, PUBLIC_KEY, NoOptions, RelayOptions, Wire, accept, accept_tables, write

# --- to_toml --------------------------------------------------------------------------------------------

text = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable() and bool(text.strip()))
watts = st.one_of(st.none(), st.floats(0.5, 5).map(lambda number: round(number, 3)))


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Valid configurations of all sorts: board and relay stacks, odd names, switched-off pins."""
    keys = draw(st.sets(st.integers(0, 7), max_size=5))
    stacks: dict[int, Stack] = {}
    for key in sorted(keys):
        slots = draw(st.sets(st.integers(0, 5)))
        devices = {
            slot: Device(
                mac=f"b8:27:eb:00:{key:02x}:{slot:02x}" if draw(st.booleans()) else None,
                name=f"Node{key}-{slot}" if draw(st.booleans()) else None,
                watts=draw(watts),
                address=draw(st.sampled_from((None, IPv4Address(f"10.77.9.{10 * key + slot + 2}")))),
                model=draw(st.sampled_from((None, *Model))),
                serial=f"{key}000000{slot}" if draw(st.booleans()) else None,
                boot=draw(st.sampled_from(Boot)),
                image=draw(st.sampled_from((None, "bookworm", "Debian-12.1_a@3f9c2a"))),
                strategy=draw(st.sampled_from((None, *Strategy))),
                docker_gb=draw(st.sampled_from((None, 0.0, 2.5))),
                role=draw(st.sampled_from(Role)),
            )
            for slot in sorted(slots)
        }
        stacks[key] = draw(relays(devices) if draw(st.booleans()) and key in (1, 2) else boards(key, devices))
    pins = st.one_of(st.none(), st.integers(24, 25))
    return Config(
        cluster=Cluster(name=draw(text), stacks=stacks),
        power=PowerPolicy(at_start=draw(st.sampled_from(AtStart)), stagger_s=draw(st.floats(0, 600))),
        gpio=Gpio(display_pin=draw(pins)),
        temperature=Temperature(emergency_celsius=draw(st.one_of(st.none(), st.floats(70, 125)))),
        netboot=draw(netboots),
        ssh=Ssh(user="pi", port=2222, authorized_keys=draw(st.sampled_from(((), (PUBLIC_KEY,))))),
        docker=draw(dockers),
    )


dockers = st.builds(
    Docker,
    advertise=st.sampled_from((None, IPv4Address("10.77.0.1"))),
    address_pool=st.sampled_from(((), (IPv4Network("10.200.0.0/16"), IPv4Network("10.201.0.0/20")))),
    debs=st.sampled_from((None, Path("/srv/debs"))),
    registry=st.booleans(),
    elastic=st.builds(Elastic, active=st.booleans(), max_watts=st.sampled_from((None, 60.0))),
)


netboots = st.builds(
    Netboot,
    active=st.booleans(),
    interface=st.just("eth1.10"),
    address=st.sampled_from((IPv4Interface("10.77.0.1/16"), IPv4Interface("10.77.255.254/16"))),
    first_host=st.integers(2, 60),
    supervisor=st.sampled_from(Supervisor),
    nfs=st.sampled_from(NfsServer),
    folder=st.sampled_from((None, Path("/srv/netboot"))),
    image=st.sampled_from((None, "bookworm")),
    dns=st.sampled_from(((), (IPv4Address("10.77.0.1"), IPv4Address("9.9.9.9")))),
    kernel_args=st.sampled_from(("", 'quiet x="a b"')),
    config_txt=st.sampled_from(((), ("[pi4]", "gpu_mem=16"))),
    deadlines=st.builds(Deadlines, dhcp_s=st.floats(1, 60)),
    prepare=st.builds(
        Prepare,
        files=st.sampled_from(({}, {"/etc/a b.conf": "/root/a", "/etc/motd": "/root/motd"})),
        scripts=st.sampled_from(((), ("/root/prepare.sh",))),
    ),
)


def boards(key: int, devices: dict[int, Device]) -> st.SearchStrategy[Stack]:
    return st.builds(
        Stack,
        bus=st.sampled_from((None, 0, 1)),
        meter=st.sampled_from((None, False) if key & 2 else (None, False, True)),
        shunt_ohms=st.floats(0.001, 1),
        budget_watts=st.one_of(st.none(), st.floats(7, 100)),
        options=st.just(NoOptions()),
        devices=st.just(devices),
    )


def relays(devices: dict[int, Device]) -> st.SearchStrategy[Stack]:
    spare = st.one_of(st.none(), st.integers())
    options = st.builds(
        RelayOptions,
        active_low=st.booleans(),
        spare=spare.filter(lambda number: number is None or abs(number) < 1 << 62),
        wire=st.one_of(st.none(), st.builds(Wire, colour=st.text(st.characters(codec="utf-8"), max_size=20))),
    )
    return st.builds(Stack, driver=st.just("gpio_relay"), options=options, devices=st.just(devices))


@given(configs())
@settings(max_examples=60, deadline=None)
def test_what_is_written_loads_again_to_the_same(config: Config) -> None:
    assert accept_tables(tomllib.loads(to_toml(config))).config == config


def test_every_default_is_written(tmp_path: Path) -> None:
    told = tomllib.loads(to_toml(Config()))
    for section in fields(Config):
        default: Any = section.default
        for field in fields(type(default)):
            value = getattr(default, field.name)
            if value is not None and value != {}:
                assert field.name in told[section.name]


def test_there_are_limits_for_every_key() -> None:
    sections: list[Any] = [type(field.default) for field in fields(Config)]
    for cls in (*sections, Stack, Device, Deadlines, Prepare):
        own = {field.name for field in fields(cls)} - {"stacks", "options", "devices"}
        assert set(LIMITS[cls]) == own, cls


def test_defaults_are_within_the_limits() -> None:
    assert accept_tables(said(flat.tree(Config()))).config == Config()


def said(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not set, as a file does."""
    whole = {key: said(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in whole.items() if value is not None}


# --- diff -----------------------------------------------------------------------------------------------


def stack(**changes: Any) -> Stack:
    return replace(Stack(options=NoOptions(), devices={0: Device(mac=MAC)}), **changes)


def cluster(**by_key: Stack) -> Config:
    return Config(cluster=Cluster(stacks={int(key[1:]): value for key, value in by_key.items()}))


def test_equal_configurations_do_not_differ() -> None:
    assert diff(cluster(s0=stack()), cluster(s0=stack())).changed == ()


def test_policies_names_and_devices_apply_live() -> None:
    old = cluster(s0=stack())
    new = replace(
        cluster(s0=stack(budget_watts=40.0, devices={0: Device(mac=MAC, name="first")})),
        power=PowerPolicy(stagger_s=1.0),
    )
    found = diff(old, new)
    assert found.changed == (
        "cluster.stacks.0.budget_watts: unset -> 40.0",
        "cluster.stacks.0.devices.0.name: unset -> 'first'",
        "power.stagger_s: 0.5 -> 1.0",
    )
    assert found.needs_restart == ()


def test_a_name_that_a_driver_may_have_been_built_with_needs_a_restart() -> None:
    named, renamed = ({0: Device(name=name)} for name in ("old", "new"))
    for driver, restart in (("stack", 0), ("gpio_relay", 0), ("command", 1)):
        found = diff(cluster(s0=stack(driver=driver, devices=named)), cluster(s0=stack(driver=driver, devices=renamed)))
        assert found.changed == ("cluster.stacks.0.devices.0.name: 'old' -> 'new'",)
        assert len(found.needs_restart) == restart


def test_what_is_written_to_thermometers_needs_a_restart() -> None:
    found = diff(Config(), Config(temperature=Temperature(overtemp_celsius=75.0, emergency_celsius=80.0)))
    assert found.changed == (
        "temperature.overtemp_celsius: 70.0 -> 75.0",
        "temperature.emergency_celsius: unset -> 80.0",
    )
    assert found.needs_restart == found.changed[:1]


def test_an_emptied_slot_is_told() -> None:
    assert diff(cluster(s0=stack()), cluster(s0=stack(devices={}))).changed == (
        f"cluster.stacks.0.devices.0.mac: '{MAC}' -> unset",
    )


def test_stacks_that_come_and_go_and_what_they_are_built_from_need_a_restart() -> None:
    old = cluster(s0=stack(), s3=stack(), s5=stack())
    new = cluster(
        s0=stack(bus=1, meter=True, shunt_ohms=0.01),
        s5=Stack(driver="gpio_relay", options=RelayOptions(pin=4)),
        s4=stack(),
    )
    found = diff(old, new)
    assert set(found.needs_restart) >= {
        "cluster.stacks.3: a stack of driver stack with 1 device -> none",
        "cluster.stacks.4: none -> a stack of driver stack with 1 device",
        "cluster.stacks.0.bus: unset -> 1",
        "cluster.stacks.0.meter: unset -> true",
        "cluster.stacks.0.shunt_ohms: 0.02 -> 0.01",
        "cluster.stacks.5.driver: 'stack' -> 'gpio_relay'",
        "cluster.stacks.5.options.pin: unset -> 4",
    }
    assert not any("stacks.3.d" in line or "stacks.4.d" in line for line in found.changed)


def test_sockets_pins_and_the_state_directory_need_a_restart(tmp_path: Path) -> None:
    old = accept(tmp_path, "").config
    text = """
    api.group = "wheel"
    store = { state_dir = "/srv/grape", flush_s = 5 }
    gpio.display_pin = false
    display.refresh_s = 2
    bus.deadline_s = 0.3
    poll.meters_s = 7
    """
    found = diff(old, accept(tmp_path, text).config)
    assert set(found.changed) - set(found.needs_restart) == {"store.flush_s: 10.0 -> 5.0", "poll.meters_s: 5.0 -> 7.0"}
    assert "gpio.display_pin: 17 -> false" in found.needs_restart
    assert "store.state_dir: '/var/lib/grape' -> '/srv/grape'" in found.needs_restart


# --- check and show -------------------------------------------------------------------------------------


def run(function: Any, path: Path, drivers: Any = DRIVERS, **options: Any) -> tuple[int, list[str]]:
    out = io.StringIO()
    code = function(path, drivers, out, **options)
    return code, out.getvalue().splitlines()


def test_check_counts_what_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, f"[rest_server]\nport = 4000\n[cluster.stacks.0.devices.0]\nmac = '{MAC}'", a="")
    code, lines = run(check, path)
    assert code == 0
    assert lines[0].startswith(f"warning: {path}: rest_server.port: not used")
    assert lines[1:] == ["no errors in 2 files: 1 stack, 1 device"]


def test_check_asks_the_machine_only_about_files_that_are_right(tmp_path: Path) -> None:
    asked: list[Config] = []

    def machine(config: Config) -> list[str]:
        asked.append(config)
        return ["stack 2: relays would let go"]

    assert run(check, write(tmp_path, ""), machine=machine)[1][-2:] == ["stack 2: relays would let go", "1 error"]
    assert run(check, write(tmp_path, ""), machine=machine)[0] == 2
    before = len(asked)
    assert run(check, write(tmp_path, "powr = 1"), machine=machine)[0] == 2
    assert len(asked) == before


def test_show_prints_what_loads_again_with_the_source_behind_each_value(tmp_path: Path) -> None:
    path = write(tmp_path, f"[cluster.stacks.0.devices.0]\nmac = '{MAC}'\nname = 'x'\n", a="power.stagger_s = 2")
    code, lines = run(show, path)
    assert code == 0
    printed = "\n".join(lines)
    assert accept_tables(tomllib.loads(printed)).config == accept(tmp_path, path.read_text()).config
    sources = {line.split(" = ")[0]: line.split("  # ")[1] for line in lines if " = " in line}
    assert sources["stagger_s"] == str(tmp_path / "config.d" / "a.toml")
    assert sources["mac"] == str(path)
    assert sources["inrush_s"] == "default"


def test_show_of_a_wrong_file_tells_the_problems(tmp_path: Path) -> None:
    code, lines = run(show, write(tmp_path, "powr = 1"))
    assert code == 2
    assert "did you mean 'power'?" in lines[0]
