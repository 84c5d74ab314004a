"""The entry point of ``grape-setup``, and of ``python3 -m master_setup`` in the source tree."""

from __future__ import annotations

import os
import sys

from graped.errors import GrapeError, RequestError
from master_setup import cli, telling, verbs
from master_setup.machine import Machine


def main(argv: list[str] | None = None) -> int:
    """Run one verb; return its exit code."""
    asked = cli.parse(sys.argv[1:] if argv is None else argv)
    os.umask(0o022)
    try:
        return verbs.run(Machine(say=telling.progress), asked)
    except RequestError as error:
        telling.failure(error, asked.json)
        return verbs.NOT_ASKED
    except GrapeError as error:
        telling.failure(error, asked.json)
    except PermissionError as error:
        telling.failure(GrapeError(f"{error.filename}: {error.strerror}", hint="Run it as root: sudo."), asked.json)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; apply again goes on from here\n")
    return verbs.FAILED


if __name__ == "__main__":
    sys.exit(main())
