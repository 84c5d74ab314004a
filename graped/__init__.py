"""Grape's daemon: it alone touches the hardware, and it owns all state."""

__version__ = "0.1.0"
DEFAULT_CONFIG = "/etc/grape/config.toml"  # text: grapecli imports this, and pathlib costs it time
