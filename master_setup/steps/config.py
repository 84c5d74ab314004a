"""The configuration: the sample where there is none, and a file of our own for what was asked for here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from master_setup.facts import Facts
from master_setup.options import Options
from master_setup.steps import network, nfs
from master_setup.wants import File, Folder, Want

NAME = "config"
SUMMARY = "/etc/grape: config.toml is made where there is none, and kept where there is"
SAMPLE: Final = Path(__file__).resolve().parents[1] / "files" / "config.toml"
FOLDER: Final = "/etc/grape"
DROP_IN: Final = f"{FOLDER}/config.d/10-setup.toml"


def packages(facts: Facts, options: Options) -> Sequence[str]:
    """Need nothing."""
    return ()


def wants(facts: Facts, options: Options) -> Sequence[Want]:
    """Want the folders, the configuration, and our part of it."""
    found: list[Want] = [
        Folder(path=FOLDER),
        File(path=f"{FOLDER}/config.toml", content=SAMPLE.read_text(), keep=True),
        Folder(path=f"{FOLDER}/config.d"),
    ]
    text = drop_in(facts, options)
    return [*found, File(path=DROP_IN, content=text)] if text else found


def drop_in(facts: Facts, options: Options) -> str:
    """Return our file's text; "" where nothing was asked for that belongs into it."""
    if not options.interface:
        return ""
    lines = [
        "# Written by grape-setup from the options it was called with; a change here is lost.",
        "# Files that come later in order of name win: put what is yours into 50-local.toml.",
        "[netboot]",
        "active = true",
        f"interface = {json.dumps(options.interface)}",
        f"address = {json.dumps(str(network.cluster_address(facts, options)))}",
        'supervisor = "systemd"',
        f"nfs = {json.dumps(nfs.server(facts, options).value)}",
    ]
    if options.registry:
        lines += ["[docker]", "registry = true"]
    if options.keys:
        lines += ["[ssh]", "authorized_keys = [", *(f"    {json.dumps(key)}," for key in options.keys), "]"]
    return "\n".join(lines) + "\n"
