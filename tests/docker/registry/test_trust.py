"""A node's daemon.json gets our mirror and keeps everything else."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grape_docker.registry.errors import BadDaemonJson, NoRegistry
from grape_docker.registry.place import Address, Place
from grape_docker.registry.prepare import prepare
from grape_docker.registry.trust import Trust, read_trust, with_mirror, without_mirror

OURS = "https://10.77.0.1:5000"
FORMER = "https://10.77.0.9:5000"
VALUES = st.dictionaries(
    st.sampled_from(["debug", "log-level", "hosts"]), st.booleans() | st.lists(st.just("tcp://"), max_size=2)
)


def test_a_node_without_a_file_gets_one() -> None:
    text = with_mirror("", OURS)
    assert text is not None
    assert json.loads(text) == {"registry-mirrors": [OURS]}
    assert with_mirror(text, OURS) is None
    gone = without_mirror(text, OURS)
    assert gone is not None
    assert json.loads(gone) == {"registry-mirrors": []}  # a reload forgets what is named, not what is left away


def test_a_mirror_of_theirs_stays_behind_ours_and_a_former_one_of_ours_goes() -> None:
    theirs = json.dumps({"registry-mirrors": ["https://mirror.example/", FORMER + "/"], "debug": True})
    text = with_mirror(theirs, OURS, former=(FORMER,))
    assert text is not None
    assert json.loads(text) == {"registry-mirrors": [OURS, "https://mirror.example/"], "debug": True}


def test_a_slash_at_the_end_is_no_difference() -> None:
    assert with_mirror(json.dumps({"registry-mirrors": [OURS + "/"]}), OURS) is None


@settings(deadline=None)
@given(VALUES, st.lists(st.sampled_from(["https://a", "https://b/"]), unique=True))
def test_with_and_without_leave_the_rest_as_it_was(rest: dict[str, object], mirrors: list[str]) -> None:
    before = {**rest, "registry-mirrors": mirrors} if mirrors else rest
    with_ours = with_mirror(json.dumps(before), OURS)
    assert with_ours is not None
    assert with_mirror(with_ours, OURS) is None
    without = without_mirror(with_ours, OURS)
    assert without is not None
    assert json.loads(without) == {**rest, "registry-mirrors": mirrors}
    assert without_mirror(without, OURS) is None


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"registry-mirrors": "https://a"}', '{"registry-mirrors": [1]}'])
def test_what_docker_could_not_read_is_not_touched(text: str) -> None:
    with pytest.raises(BadDaemonJson):
        with_mirror(text, OURS)


def test_where_docker_looks() -> None:
    trust = Trust(address=Address(host="10.77.0.1", port=5000), ca_pem="")
    assert trust.ca_path == PurePosixPath("/etc/docker/certs.d/10.77.0.1:5000/ca.crt")
    assert trust.mirror == OURS
    assert Address(host="fd00::1", port=5000).url == "https://[fd00::1]:5000"


def test_what_was_prepared_is_what_nodes_are_told(place: Place) -> None:
    with pytest.raises(NoRegistry):
        read_trust(place)
    prepare(place, Address(host="10.77.0.1", port=5000))
    trust = read_trust(place)
    assert trust.mirror == OURS
    assert trust.ca_pem == place.ca_certificate.read_text()
