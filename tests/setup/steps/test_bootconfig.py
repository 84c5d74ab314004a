"""What config.txt of a Raspberry Pi says of our settings, and what it lacks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master_setup.steps.bootconfig import contradictions, lacking

BOOKWORM = """\
# For more options and information see
# http://rptl.io/configtxt

# Uncomment some or all of these to enable the optional hardware interfaces
#dtparam=i2c_arm=on
#dtparam=i2s=on
dtparam=audio=on
camera_auto_detect=1
dtoverlay=vc4-kms-v3d
max_framebuffers=2
arm_64bit=1
[cm4]
otg_mode=1
[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
"""
ALL = ("[all]", "dtoverlay=", "dtparam=i2c_arm=on", "dtparam=i2c_vc=on", "gpio=17,27=ip,np")


@pytest.mark.parametrize("text", ["", BOOKWORM, "[pi4]\ndtparam=i2c_arm=on\ngpio=17,27=ip", "gpio=18=op\n"])
def test_everything_is_lacking(text: str) -> None:
    assert lacking(text) == ALL
    assert contradictions(text) == ()


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("dtparam=i2c_arm=on", ("[all]", "dtoverlay=", "dtparam=i2c_vc=on", "gpio=17,27=ip,np")),
        ("dtparam=i2c=on,i2c_arm_baudrate=400000", ("[all]", "dtoverlay=", "dtparam=i2c_vc=on", "gpio=17,27=ip,np")),
        ("device_tree_param=i2c1", ("[all]", "dtoverlay=", "dtparam=i2c_vc=on", "gpio=17,27=ip,np")),
        ("dtparam=i2c_arm=on,i2c_vc=on", ("[all]", "gpio=17,27=ip,np")),
        ("gpio=16-20=ip,pu", ("[all]", "dtoverlay=", "dtparam=i2c_arm=on", "dtparam=i2c_vc=on", "gpio=27=ip,np")),
        ("gpio=17,27=pu", ALL),  # a pull alone makes no input
    ],
)
def test_what_stands_there_is_not_doubled(line: str, left: tuple[str, ...]) -> None:
    assert lacking(f"{line}\n[cm4]\notg_mode=1\n") == left


def test_nothing_is_lacking_where_all_is_said_by_others() -> None:
    assert lacking("dtparam=i2c_arm=on\r\ndtparam=i2c0=on\r\ngpio=17=ip\r\ngpio=27=ip,pu\r\n") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dtparam=i2c_arm=off", "line 1, dtparam=i2c_arm=off, switches I2C bus 1 off"),
        ("\n[pi3]\ndtparam=i2c_vc=off", "line 3, dtparam=i2c_vc=off, switches I2C bus 0 off"),
        ("gpio=27=op,dh", "line 1, gpio=27=op,dh, makes pin 27 no input"),
        ("dtoverlay=gpio-ir,gpio_pin=17", "line 1, dtoverlay=gpio-ir,gpio_pin=17, uses pin 17"),
        ("dtoverlay=w1-gpio,gpiopin=27", "line 1, dtoverlay=w1-gpio,gpiopin=27, uses pin 27"),
    ],
)
def test_a_contradiction_is_said_and_overruled(text: str, told: str) -> None:
    assert [sentence.startswith(told) for sentence in contradictions(text)] == [True]
    assert lacking(text) == ALL


def test_a_condition_against_it_is_overruled() -> None:
    assert "dtparam=i2c_arm=on" in lacking("dtparam=i2c_arm=on\n[pi4]\ndtparam=i2c_arm=off\n")
    assert "gpio=17=ip,np" in lacking("gpio=17,27=ip\n[pi4]\ngpio=17=a3\n")
    assert "dtparam=i2c_arm=on" not in lacking("[pi4]\ndtparam=i2c_arm=off\n[all]\ndtparam=i2c_arm=on\n")


LINES = st.sampled_from(
    [
        "dtparam=i2c_arm=on", "dtparam=i2c_arm=off", "dtparam=i2c_vc", "dtparam=i2c0=off", "gpio=17=ip", "gpio=0-27=a2",
        "gpio=27=op,dl", "gpio=27=ip,pu", "[pi4]", "[all]", "[none]", "dtoverlay=vc4-kms-v3d",
        "# gpio=17=op", "", "gpio=x",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12))
def test_with_the_lacking_lines_nothing_lacks(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert lacking("\n".join([text, *lacking(text)])) == ()
