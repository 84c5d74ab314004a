from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolver
from hypothesis import given
from hypothesis import strategies as st

from grapecli.fold import fold

NAMES = st.one_of(
    st.builds("worker-{}-{}".format, st.integers(0, 12), st.integers(0, 5)),
    st.builds("n{:02d}".format, st.integers(0, 120)),
    st.builds("pi{}-rack".format, st.integers(0, 9)),
    st.sampled_from(["master", "lab", "a1b2c3"]),
)


def expand(text: str) -> set[str]:
    return set(NodeSet(text, resolver=GroupResolver())) if text else set()


@given(st.lists(NAMES))
def test_clustershell_expands_what_was_folded_to_the_same_names(names: list[str]) -> None:
    assert expand(fold(names)) == set(names)


def test_one_stack_folds_by_slot_and_equal_stacks_fold_together() -> None:
    assert fold(["worker-0-3", "worker-0-1", "worker-0-2"]) == "worker-0-[1-3]"
    assert fold([f"worker-{s}-{n}" for s in (0, 1, 2) for n in (0, 1)]) == "worker-[0-2]-[0-1]"
    assert fold(["worker-0-1", "worker-1-2"]) == "worker-0-1,worker-1-2"


def test_one_name_stays_as_it_is_and_ten_comes_after_nine() -> None:
    assert fold(["worker-1-2"]) == "worker-1-2"
    assert fold(["n10", "n9", "n2"]) == "n[2,9-10]"
    assert fold([]) == ""
