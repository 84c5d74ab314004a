"""pip as Grape's own tools run it: through the Runner, never asking, quiet."""

from __future__ import annotations

import os
import sys

from graped.errors import CommandFailed
from graped.runner import Runner, SubprocessRunner

DOWNLOAD_TIMEOUT_S = 900.0  # 40 MB over a slow line
# Which index, proxy and certificates to use is the machine's affair, said by its environment or pip's configuration.
_PASSED = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Pip:
    """Run pip with this Python. Without ``configured`` neither pip.conf nor extra places for packages count."""

    def __init__(self, runner: Runner | None = None, *, configured: bool = True, python: str = sys.executable) -> None:
        self._runner = runner or SubprocessRunner()
        self._python = python
        self._env = {name: value for name, value in os.environ.items() if name.upper().startswith(_PASSED)}
        if not configured:
            self._env["PIP_CONFIG_FILE"] = os.devnull
            self._env["PIP_FIND_LINKS"] = self._env["PIP_EXTRA_INDEX_URL"] = ""
        self._env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"

    def run(self, *words: str) -> None:
        """Run one command of pip. Raises CommandFailed with what pip said last."""
        argv = (self._python, "-m", "pip", *words, "--quiet", "--no-input")
        try:
            self._runner.run(argv, timeout_s=DOWNLOAD_TIMEOUT_S, env=self._env)
        except CommandFailed as error:
            error.hint = error.hint or "pip needs an index that it can reach, or a folder of wheels."
            raise
