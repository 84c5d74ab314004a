"""What a Pi's firmware reads in config.txt: as much of it as decides which files are fetched. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.lab.bootrom.boards import Rom

FILTERS = {
    Rom.PI3B: {"all", "pi3"},
    Rom.PI3BPLUS: {"all", "pi3", "pi3+"},
    Rom.PI4: {"all", "pi4"},
    Rom.PI5: {"all", "pi5"},
}


@dataclass(slots=True)
class ConfigTxt:
    """The lines that hold for one board."""

    values: dict[str, str] = field(default_factory=dict)
    overlays: list[str] = field(default_factory=list)
    initramfs: str = ""

    def on(self, key: str, *, default: bool) -> bool:
        """Whether a switch is set."""
        return self.values.get(key, "1" if default else "0") == "1"


def read(text: str, rom: Rom) -> ConfigTxt:
    """Read config.txt. Source: config_txt/conditional.adoc, config_txt/boot.adoc."""
    found, holds = ConfigTxt(), True
    for line in (raw.split("#")[0].strip() for raw in text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            holds = line[1:-1].lower() in FILTERS[rom]
        elif not line or not holds:
            continue
        elif line.startswith("initramfs "):
            found.initramfs = line.split()[1]
        elif line.startswith("dtoverlay="):
            found.overlays.append(line.removeprefix("dtoverlay=").split(",")[0])
        elif "=" in line:
            key, _, value = line.partition("=")
            found.values[key.strip()] = value.strip()
    found.overlays = [name for name in found.overlays if name]  # "dtoverlay=" alone ends one's parameters
    return found


def kernels(config: ConfigTxt, rom: Rom) -> list[str]:
    """Name the kernels that are tried, in order."""
    if named := config.values.get("kernel"):
        return [named]
    wide, narrow = "kernel8.img", "kernel7l.img" if rom is Rom.PI4 else "kernel7.img"
    if rom is Rom.PI5:
        return ["kernel_2712.img", wide]
    return [wide, narrow] if config.on("arm_64bit", default=True) else [narrow]


def initramfs(config: ConfigTxt, kernel: str) -> str:
    """Name the initramfs that goes with a kernel, or nothing."""
    if config.initramfs:
        return config.initramfs
    if not config.on("auto_initramfs", default=False):
        return ""
    return "initramfs" + kernel.removeprefix("kernel").removesuffix(".img")
