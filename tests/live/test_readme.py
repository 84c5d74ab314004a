"""The README's promises: its curl examples run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.daemon import Daemon

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_examples_run(daemon: Daemon) -> None:
    examples = [line for line in README.read_text().splitlines() if line.startswith("curl ")]
    assert len(examples) >= 8
    for line in examples:
        command = re.sub(r"^curl -s", "curl --fail-with-body -s", line)
        done = subprocess.run(
            ["bash", "-c", command], env={**os.environ, "GRAPE_SOCKET": str(daemon.socket)},
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert done.stdout, line
