"""What must hold between the values of grape_docker."""

from __future__ import annotations

from typing import Final

from graped.config.findings import Findings, Path
from graped.config.types import Config

_DOCKER: Final = "docker"
_ELASTIC: Final[Path] = (_DOCKER, "elastic")


def judge_docker(config: Config, findings: Findings) -> None:
    """Judge limits against each other; a drain that graped would cut short is a warning."""
    docker, elastic = config.docker, config.docker.elastic
    if docker.retry_max_s < docker.retry_s and findings.sound((_DOCKER, "retry_s"), (_DOCKER, "retry_max_s")):
        words = f"at least docker.retry_s ({docker.retry_s:g})"
        findings.note((_DOCKER, "retry_max_s"), words, f"{docker.retry_max_s:g}")
    if elastic.max_nodes < elastic.min_nodes and findings.sound((*_ELASTIC, "min_nodes"), (*_ELASTIC, "max_nodes")):
        words = f"at least docker.elastic.min_nodes ({elastic.min_nodes})"
        findings.note((*_ELASTIC, "max_nodes"), words, str(elastic.max_nodes))
    too_big = next((pool for pool in docker.address_pool if pool.prefixlen > docker.subnet_bits), None)
    if too_big and findings.sound((_DOCKER, "subnet_bits"), (_DOCKER, "address_pool")):
        words = f"at least the prefix of every pool ({too_big})"
        findings.note((_DOCKER, "subnet_bits"), words, str(docker.subnet_bits))
    if docker.drain_s > config.power.guard_max_s and findings.sound((_DOCKER, "drain_s"), ("power", "guard_max_s")):
        findings.warn((_DOCKER, "drain_s"), f"power.guard_max_s ends a drain after {config.power.guard_max_s:g} s")
