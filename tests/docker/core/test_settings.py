"""Settings come out of what graped hands out, with the same defaults."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from grape_docker.model import Elastic, Settings
from grape_docker.settings import read
from graped.api.types import ConfigValue
from graped.config import types as config
from graped.config.flat import flatten


def handed_out(configured: config.Config) -> tuple[ConfigValue, ...]:
    return tuple(ConfigValue(key=one.key, value=one.value, source="default") for one in flatten(configured))


def test_both_sides_have_the_same_defaults() -> None:
    assert read(handed_out(config.Config())) == Settings()
    assert read(()) == Settings()


def test_the_master_is_advertised_where_it_serves_its_nodes() -> None:
    net = replace(config.Netboot(), address=IPv4Interface("10.77.0.1/24"))
    assert read(handed_out(config.Config(netboot=net))).advertise == "10.77.0.1"
    docker = config.Docker(advertise=IPv4Address("10.9.9.9"))
    assert read(handed_out(config.Config(netboot=net, docker=docker))).advertise == "10.9.9.9"


def test_every_key_arrives() -> None:
    docker = config.Docker(
        address_pool=(IPv4Network("10.200.0.0/16"),),
        drain_s=7.5,
        take_over=True,
        elastic=config.Elastic(active=True, nodes="@stack:0", max_nodes=3, max_watts=30.0),
    )
    assert read(handed_out(config.Config(docker=docker))) == Settings(
        address_pool=("10.200.0.0/16",),
        drain_s=7.5,
        take_over=True,
        elastic=Elastic(active=True, nodes="@stack:0", max_nodes=3, max_watts=30.0),
    )
