"""The filter lets everything be done but forcing things to the disk, which it says is done."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master_setup.image.unsynced import ALLOW, CALLS, COMMAND, EQUAL, LOAD, RETURN, SUCCEED, program

X86, CALLS_OF_X86 = CALLS["x86_64"]


def verdict(code: bytes, arch: int, call: int) -> int:
    """Run a filter as the kernel does. Source: kernel, Documentation/networking/filter.rst."""
    lines = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    at, held = 0, 0
    while True:
        operation, true, false, value = lines[at]
        at += 1
        match operation:
            case _ if operation == LOAD:
                held = {0: call, 4: arch}[value]
            case _ if operation == EQUAL:
                at += true if held == value else false
            case _ if operation == RETURN:
                return int(value)
            case _:
                raise AssertionError(operation)


@given(st.integers(0, 500), st.sampled_from(sorted(CALLS)))
def test_only_these_calls_only_of_this_processor(call: int, machine: str) -> None:
    arch, calls = CALLS[machine]
    code = program(arch, calls)
    assert verdict(code, arch, call) == (SUCCEED if call in calls else ALLOW)
    assert verdict(code, arch ^ 1, call) == ALLOW


@pytest.mark.lab
def test_a_command_under_it_syncs_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0 or os.uname().machine not in CALLS:
        pytest.skip("needs root on amd64 or arm64: only root is put under a filter here")
    done = subprocess.run(
        (*COMMAND, "grep", "Seccomp:", "/proc/self/status"), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["Seccomp:", "2"]
    file = tmp_path / "file"
    subprocess.run((*COMMAND, "dd", "if=/dev/zero", f"of={file}", "bs=1k", "count=3", "conv=fsync"), check=True)
    assert file.stat().st_size == 3072
