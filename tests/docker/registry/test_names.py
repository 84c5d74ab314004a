"""Names lie in the registry where Docker looks for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grape_docker.registry.errors import BadName
from grape_docker.registry.names import Name, parse

HOST = "10.77.0.1:5000"


@pytest.mark.parametrize(
    ("text", "path", "tag", "short"),
    [
        ("redis", "library/redis", "latest", "redis:latest"),
        ("redis:7", "library/redis", "7", "redis:7"),
        ("docker.io/redis:7", "library/redis", "7", "redis:7"),
        ("docker.io/library/redis:7", "library/redis", "7", "redis:7"),
        ("library/redis:7", "library/redis", "7", "redis:7"),
        ("team/app:1.0-rc_1", "team/app", "1.0-rc_1", "team/app:1.0-rc_1"),
        ("quay.io/team/app:1", "team/app", "1", "team/app:1"),
        ("localhost/app", "app", "latest", "app:latest"),
        ("127.0.0.1:5000/app:2", "app", "2", "app:2"),
        (f"{HOST}/library/app:2", "library/app", "2", "app:2"),
    ],
)
def test_as_docker_reads_them(text: str, path: str, tag: str, short: str) -> None:
    name = parse(text)
    assert name == Name(path=path, tag=tag)
    assert name.short == short
    assert name.at(HOST) == f"{HOST}/{path}:{tag}"
    assert parse(name.at(HOST)) == name


@pytest.mark.parametrize(
    "text",
    ["", ":", "app:", "App", "../up", "../a/b", "a/../b", "a//b", "/a", "a/", "app:..", "app:a/b", "-a", "a.", "a b",
     "a\n", "app:1\n", "app@sha256:" + "0" * 64, "a" * 256, "app:" + "t" * 129, "sha256:" + "0" * 200],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(BadName):
        parse(text)


@given(st.text("ab./:@-_ A\n", max_size=12))
def test_no_name_leads_out_of_the_registrys_folder(text: str) -> None:
    try:
        name = parse(text)
    except BadName:
        return
    assert not {"", ".", ".."} & set(name.path.split("/"))
    assert name.tag not in ("", ".", "..")
    assert "/" not in name.tag
    assert parse(name.short).tag == name.tag
