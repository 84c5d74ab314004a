"""What datagrams say, with the examples of the kernel's documentation and of RFC 3164; strangers' bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.operate.console.lines import LONGEST_LINE, MOST_LINES, Said, clean, read

BOOT = "9b65ad49-7bf7-4cd2-809a-f76dac8fd8ca"


def kernel(text: str) -> tuple[Said, ...]:
    return read(text.encode(), kernel=True)


def test_a_record_of_dev_kmsg() -> None:
    """Source: Documentation/ABI/testing/dev-kmsg."""
    text = "6,339,5140900,-;NET: Registered protocol family 10"
    said = Said(source="kernel", level=6, number=339, stamp="5140900", text="NET: Registered protocol family 10")
    assert kernel(text) == kernel(text + "\n") == (said,)
    with_place = "7,160,424069,-;pci_root PNP0A03:00: host bridge\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n"
    assert [one.text for one in kernel(with_place)] == ["pci_root PNP0A03:00: host bridge"]
    assert kernel("30,340,5690716,-;udevd[80]: starting version 181")[0].level == 6  # a daemon's, by its facility


def test_a_record_may_name_its_caller_and_come_in_parts() -> None:
    """Source: Documentation/networking/netconsole.rst."""
    whole, first, second = (
        kernel("6,444,501,-,caller=T1;whole")[0],
        kernel("6,416,1758426,-,ncfrag=0/31;the first chunk,")[0],
        kernel("6,416,1758426,-,ncfrag=16/31; the 2nd chunk.")[0],
    )
    assert (whole.text, whole.number) == ("whole", 444)
    assert [(one.text, one.number) for one in (first, second)] == [
        ("the first chunk,", None),
        (" the 2nd chunk.", None),
    ]


def test_plain_lines_of_netconsole() -> None:
    found = kernel("[   12.3] a line\n[   12.4] another\n")
    assert [(one.source, one.text) for one in found] == [
        ("kernel", "[   12.3] a line"),
        ("kernel", "[   12.4] another"),
    ]


def test_syslog() -> None:
    """Source: RFC 3164, 5.4, and what journalctl prints."""
    (said,) = read(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", kernel=False)
    assert (said.source, said.level, said.text) == ("system", 2, "su: 'su root' failed for lonvick on /dev/pts/8")
    (said,) = read(b"Nov 27 03:12:52 worker-0-0 sshd[12]: Server listening on :: port 22.\n", kernel=False)
    assert (said.level, said.text) == (None, "sshd[12]: Server listening on :: port 22.")
    assert read(b"Use the BFG!", kernel=False)[0].text == "Use the BFG!"


@pytest.mark.parametrize("port", [True, False])
def test_the_unit_tells_which_boot_it_is(port: bool) -> None:
    (said,) = read(f"grape-console boot {BOOT}\n".encode(), kernel=port)
    assert said.boot == BOOT
    assert read(b"grape-console boot nonsense", kernel=port)[0].boot is None


def test_what_could_do_something_to_a_terminal_is_shown() -> None:
    assert clean("\x1b[31mred\x07\ta\u202eb\x9b") == "\\x1b[31mred\\x07 a\\u202eb\\x9b"
    assert len(clean("x" * 5000)) == LONGEST_LINE


@given(st.binary(max_size=9000), st.booleans())
def test_whatever_comes_is_read(data: bytes, kernel: bool) -> None:
    found = read(data, kernel=kernel)
    assert len(found) <= MOST_LINES
    assert all(one.text.isprintable() and len(one.text) <= LONGEST_LINE for one in found)
    assert all(one.level is None or 0 <= one.level <= 7 for one in found)
