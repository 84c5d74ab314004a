"""What must hold between the values of grape_docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from graped.config.types import Role

from .rig import accept, only


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("[docker]\nretry_s = 10.0\nretry_max_s = 5.0", "docker.retry_max_s"),
        ("[docker.elastic]\nmin_nodes = 3\nmax_nodes = 2", "docker.elastic.max_nodes"),
        ('[docker]\naddress_pool = ["10.200.0.0/25"]', "docker.subnet_bits"),
        ('[docker]\naddress_pool = ["10.200.0.1/16"]', "docker.address_pool.0"),
        ('[docker]\nadvertise = "0.0.0.0"', "docker.advertise"),
        ('[docker]\nmin_version = "newest"', "docker.min_version"),
        ("[docker]\nheartbeat_s = 0.5", "docker.heartbeat_s"),
        ('[docker.elastic]\nnodes = ""', "docker.elastic.nodes"),
    ],
)
def test_what_cannot_be_is_told_with_its_key(tmp_path: Path, toml: str, key: str) -> None:
    assert only(tmp_path, toml).key == key


def test_a_drain_that_would_be_cut_short_is_a_warning(tmp_path: Path) -> None:
    (warning,) = [text for text in accept(tmp_path, "[power]\nguard_max_s = 30.0").warnings if "drain" in text]
    assert "docker.drain_s" in warning
    assert "30 s" in warning


def test_nodes_are_workers_unless_told_otherwise(tmp_path: Path) -> None:
    stack = accept(
        tmp_path, '[cluster.stacks.0.devices.0]\nrole = "manager"\n[cluster.stacks.1.devices.1]'
    ).config.cluster.stacks
    assert {device.role for one in stack.values() for device in one.devices.values()} == {Role.MANAGER, Role.WORKER}
