"""What a file system can do depends on who serves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graped.config.types import NfsServer, Strategy
from graped.errors import Conflict
from graped.netboot.roots import probe
from graped.netboot.roots.mounts import DirectMounts
from graped.netboot.roots.roots import Roots
from tests.netboot.roots.rig import Rig


def served_by_ganesha(rig: Rig) -> Roots:
    mounts = DirectMounts(rig.folder, rig.runner)
    return Roots(rig.folder, rig.images, mounts, rig.runner, lambda: 1.0, server=NfsServer.GANESHA)


def test_ganesha_is_given_no_btrfs_subvolume(disk: Callable[[str], Path]) -> None:
    rig = Rig(disk("btrfs"))
    assert rig.roots.choose(Strategy.BTRFS) is Strategy.BTRFS
    with pytest.raises(Conflict, match="serves no btrfs subvolume"):
        served_by_ganesha(rig).choose(Strategy.BTRFS)


def test_ganesha_is_given_overlays_only_where_each_has_an_id_of_its_own(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served_by_ganesha(rig).choose(Strategy.AUTO) is Strategy.OVERLAY  # this kernel gives them one
    monkeypatch.setattr(probe, "_id", lambda _: 7)  # a kernel before 6.6: that of the file system below
    assert served_by_ganesha(rig).choose(Strategy.AUTO) is Strategy.COPY
    with pytest.raises(Conflict, match="only on Linux"):
        served_by_ganesha(rig).choose(Strategy.OVERLAY)
    assert rig.fresh().choose(Strategy.AUTO) is Strategy.OVERLAY  # the kernel's server does not mind
