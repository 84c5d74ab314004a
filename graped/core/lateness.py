"""When a node is late in a boot stage, and what may be the matter: composed of what it asked for and got. Pure."""

from __future__ import annotations

from typing import Final

from graped.config.types import Boot, Config, Device, Model
from graped.core.state import BootCounts, SlotState
from graped.model import SlotId, Stage

BOOT_ROM_TRIES: Final = 5  # DISCOVERs of a Pi 3B, 5 s apart; then it halts. Source: raspberrypi/documentation, boot-net
UNTRUSTED: Final = "untrusted"  # how the evidence begins of a node that answers, and whose host key is not pinned
STRANGER: Final = "SSH answers"  # how it begins where somebody else answers, or one whose key is not pinned
_STAGES: Final = (Stage.POWERED, Stage.DHCP, Stage.TFTP, Stage.KERNEL, Stage.ROOT)
_PI_3: Final = frozenset({Model.PI3B, Model.PI3BPLUS})
_NAMES: Final = {Model.PI3B: "Pi 3B", Model.PI3BPLUS: "Pi 3B+", Model.PI4: "Pi 4", Model.PI5: "Pi 5", Model.PXE: "PXE"}
_TRY: Final = {
    None: "Pi 3: OTP by program_usb_boot_mode=1; Pi 4, 5: EEPROM with BOOT_ORDER=0xf21; then look at cable and mac",
    Model.PI3B: "set its OTP once: an SD card with program_usb_boot_mode=1 in config.txt; then look at cable and mac",
    Model.PI3BPLUS: "it netboots as it is made, if no SD card boots first: look at cable and mac",
    Model.PI4: "set BOOT_ORDER=0xf21 by rpi-eeprom-config --edit; then look at cable and mac",
    Model.PI5: "set BOOT_ORDER=0xf21 by rpi-eeprom-config --edit; then look at cable and mac",
    Model.PXE: "switch on network boot in its BIOS; then look at cable and mac",
}
_WHERE_SET: Final = {
    Model.PI3B: "OTP",
    Model.PI3BPLUS: "OTP",
    Model.PI4: "EEPROM",
    Model.PI5: "EEPROM",
    Model.PXE: "BIOS",
}


def why_nobody(state: SlotState) -> str:
    """Say why a node that has power cannot be asked anything, as far as that was seen; "" where it was not."""
    strange = state.stage_reason.startswith((STRANGER, UNTRUSTED))
    return state.stage_reason if strange or state.stage is Stage.LOST else ""


def patience_s(config: Config, device: Device | None, stage: Stage | None) -> float | None:
    """Tell how long a node may stay in a stage; None for ever.

    A node that boots from its own disk shows none of the stages up to its system: it has their time together.
    """
    if device is None or stage not in _STAGES:
        return None
    limits = config.netboot.deadlines
    each = dict(
        zip(_STAGES, (limits.powered_s, limits.dhcp_s, limits.tftp_s, limits.kernel_s, limits.root_s), strict=True)
    )
    if device.boot is Boot.LOCAL:
        return sum(each[later] for later in _STAGES[_STAGES.index(stage) :])
    return each[stage]


def why_late(config: Config, slot: SlotId, device: Device, state: SlotState) -> tuple[str, str]:
    """Say why a node is probably late in its stage, and what to do."""
    name, counts = config.node_name(slot), state.boot
    model = device.model or counts.model
    if device.boot is Boot.LOCAL and state.stage_reason.startswith(UNTRUSTED):
        return "answers by SSH, and its host key is not pinned", f"grapecli node trust {name}"
    if device.boot is Boot.LOCAL:
        return (
            "does not answer by SSH: its own disk has no system, or SSH is off in it",
            f"look at its screen; a node that should boot over the network needs boot = \"network\" (node set {name})",
        )  # fmt: skip
    match state.stage:
        case Stage.DHCP:
            return _no_file(config, name, device, counts, model)
        case Stage.TFTP:
            return _files_end(name, counts)
        case Stage.KERNEL:
            return (
                "kernel started, never mounted its root",
                "grapecli doctor looks at the exports; NFS must be reachable",
            )
        case Stage.ROOT:
            return (
                "root mounted, SSH does not answer",
                f"grapecli image prepare makes SSH start; grapecli node show {name}",
            )
        case _:
            where = _WHERE_SET.get(model, "EEPROM/OTP") if model else "EEPROM/OTP"
            return f"no DHCP request: no netboot set in {where}, no cable, or no Pi here", _TRY[model]


def _no_file(config: Config, name: str, device: Device, counts: BootCounts, model: Model | None) -> tuple[str, str]:
    """It asks for an address, and fetches nothing."""
    asked = f"asked DHCP {_times(counts.discovers)}, took no file" if counts.discovers else "took no file after DHCP"
    if counts.missing:
        return f"asked for {counts.missing}, which is not in its TFTP folder", _image_hint(name)
    if config.netboot.active and device.image is None and config.netboot.image is None:
        return f"{asked}: it has no image", f"grapecli node set {name} --image IMAGE gives it one"
    if model in _PI_3 and counts.discovers >= BOOT_ROM_TRIES:
        return (
            f"{asked}: {_NAMES[model]} boot ROM gave up; needs a power cycle",
            f"grapecli power cycle {name}; if it comes again: another DHCP server (grapecli doctor), STP of a switch",
        )  # fmt: skip
    return asked, f"grapecli doctor looks for another DHCP server and at TFTP; then grapecli power cycle {name}"


def _files_end(name: str, counts: BootCounts) -> tuple[str, str]:
    """It fetches files, and its kernel never shows."""
    took = f"took {counts.last_file}" if counts.last_file else "began to fetch boot files, got none whole"
    if counts.missing:
        return f"{took}, then asked for {counts.missing}, which is not in its TFTP folder", _image_hint(name)
    if counts.files:
        amount = f"{counts.files} file{'s' * (counts.files != 1)}, {counts.file_bytes / 1e6:.1f} MB"
        return (
            f"{took} ({amount}), then nothing",
            f"grapecli power cycle {name}; if it comes again: its kernel or cable",
        )
    return took, f"grapecli doctor looks at TFTP; then grapecli power cycle {name}"


def _image_hint(name: str) -> str:
    return f"its image lacks it: grapecli node show {name} names the image; grapecli image verify IMAGE"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
