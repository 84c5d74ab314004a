"""The receiver with real datagrams, and the unit of the nodes as its sender."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from graped.config.types import Config, Netboot, Store
from graped.model import SlotId
from graped.netboot.images.parts import part
from graped.operate.console import listening as module
from graped.operate.console.listening import Console
from graped.operate.house import House
from tests.api.rack import Rack, config_of
from tests.network.sshd import LOOPBACK
from tests.operate.dwelling import dwell, running, until

A = SlotId(0, 0)
SECOND = "127.0.0.3"  # the node's; all of 127/8 is ours


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    net = Netboot(
        active=True, interface="eth9", address=IPv4Interface("127.0.0.1/8"), syslog_port=free_port(),
        netconsole_port=free_port(),
    )  # fmt: skip
    one = replace(config_of(1), netboot=net, store=Store(state_dir=tmp_path))
    stack = one.cluster.stacks[0]
    devices = {**stack.devices, 0: replace(stack.devices[0], address=IPv4Address(SECOND))}
    stacks = {0: replace(stack, devices=devices)}
    return replace(one, cluster=replace(one.cluster, stacks=stacks))


@pytest.fixture
def node() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((SECOND, 0))
        yield one


def texts(console: Console) -> list[str]:
    return [line.text for line in console.log(A, after=None, limit=1000).lines]


def test_what_a_node_says_is_kept_and_what_others_say_is_not(config: Config, node: socket.socket) -> None:
    async def story(house: House, rack: Rack) -> None:
        console, net = Console(house), config.netboot
        async with running(console):
            await until(lambda: not console.log(A, after=None, limit=1).why)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"<3>I am nobody", (LOOPBACK, net.syslog_port))
            node.sendto(b"4,1,10,-;Kernel panic - not syncing", (LOOPBACK, net.netconsole_port))
            await until(lambda: len(texts(console)) == 1)
            node.sendto(b"<30>Nov 27 03:12:52 pi sshd[1]: Server listening", (LOOPBACK, net.syslog_port))
            await until(lambda: len(texts(console)) == 2)
            told = console.log(A, after=None, limit=10)
            assert [(one.source, one.level, one.text) for one in told.lines] == [
                ("kernel", 4, "Kernel panic - not syncing"),
                ("system", 6, "sshd[1]: Server listening"),
            ]
            assert (told.name, told.last, told.left_out) == ("worker-0-0", told.lines[-1].id, False)
            assert console.log(SlotId(0, 1), after=None, limit=10).lines == ()

    dwell(story, config=config)


def test_who_waits_hears_the_next_line_at_once_and_only_of_that_node(config: Config, node: socket.socket) -> None:
    async def story(house: House, rack: Rack) -> None:
        console, port = Console(house), config.netboot.syslog_port
        async with running(console):
            await until(lambda: not console.log(A, after=None, limit=1).why)
            waiting = asyncio.create_task(console.wait(A, 0, 20.0))
            other = asyncio.create_task(console.wait(SlotId(0, 1), 0, 0.4))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            node.sendto(b"hello", (LOOPBACK, port))
            await asyncio.wait_for(waiting, 15.0)
            assert texts(console) == ["hello"]
            await other

    dwell(story, config=config)


def test_lines_and_their_numbers_live_over_a_restart(config: Config, node: socket.socket) -> None:
    port, last = config.netboot.syslog_port, []

    async def story(house: House, rack: Rack) -> None:
        console = Console(house)
        async with running(console):
            await until(lambda: not console.log(A, after=None, limit=1).why)
            before = texts(console)
            node.sendto(f"life {len(before)}".encode(), (LOOPBACK, port))
            await until(lambda: len(texts(console)) == len(before) + 1)
            last.append(console.log(A, after=None, limit=1).last)
            assert texts(console)[-1] == f"life {len(before)}"

    dwell(story, config=config)
    file = config.store.state_dir / "console.json"
    assert file.stat().st_mode & 0o777 == 0o600
    dwell(story, config=config)
    assert last[1] > last[0]
    file.write_text('{"0-0": [["no", "list"]]')
    dwell(lambda house, rack: story(house, rack), config=config)  # what cannot be read is let go


def test_a_port_that_another_program_has_is_a_fault_until_it_is_free(config: Config) -> None:
    async def story(house: House, rack: Rack) -> None:
        console = Console(house)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival:
            rival.bind((LOOPBACK, config.netboot.syslog_port))
            async with running(console):
                await until(lambda: "console" in house.state.faults)
                assert "Address already in use" in console.log(A, after=None, limit=1).why
                rival.close()
                await until(lambda: "console" not in house.state.faults)
                assert console.log(A, after=None, limit=1).why == ""

    dwell(story, config=config)


@pytest.mark.parametrize(("served", "on"), [(False, True), (True, False)])
def test_nobody_listens_in_a_simulation_or_where_it_is_off(config: Config, served: bool, on: bool) -> None:
    config = replace(config, netboot=replace(config.netboot, console=on))

    async def story(house: House, rack: Rack) -> None:
        console = Console(house)
        async with running(console):
            await asyncio.sleep(0.1)
            assert console.log(A, after=None, limit=1).why
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.bind((LOOPBACK, config.netboot.syslog_port))

    dwell(story, config=config, served=served)


def test_the_unit_of_a_node_sends_what_its_kernel_says_and_goes_on(config: Config, tmp_path: Path) -> None:
    net = config.netboot
    here = {**config.cluster.stacks[0].devices, 0: replace(config.cluster.stacks[0].devices[0], address=None)}
    here[0] = replace(here[0], address=IPv4Address(LOOPBACK))  # bash sends from there
    stacks = {0: replace(config.cluster.stacks[0], devices=here)}
    config = replace(config, cluster=replace(config.cluster, stacks=stacks))
    (tmp_path / "console").write_bytes(part("console.sh"))
    words = f"quiet grape.console={LOOPBACK}:{net.syslog_port}:{net.netconsole_port} rw\n"
    (tmp_path / "cmdline").write_text(words)
    kmsg = tmp_path / "kmsg"
    kmsg.write_text("6,0,0,-;Linux version 6.6\n SUBSYSTEM=x\n6,1,5,-;eth0: link up\n")
    env = {"PATH": os.environ["PATH"], "GRAPE_CMDLINE": str(tmp_path / "cmdline"), "GRAPE_KMSG": str(kmsg)}

    async def story(house: House, rack: Rack) -> None:
        console = Console(house)
        async with running(console):
            await until(lambda: not console.log(A, after=None, limit=1).why)
            child = await asyncio.create_subprocess_exec(
                "bash", str(tmp_path / "console"), env=env, start_new_session=True, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await until(lambda: {"Linux version 6.6", "eth0: link up"} <= set(texts(console)))
                kmsg.write_text("6,2,9,-;a late word\n")  # read anew after a second, as where records were lost
                await until(lambda: "a late word" in texts(console))
                assert texts(console).count("eth0: link up") == 1
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()

    dwell(story, config=config)
