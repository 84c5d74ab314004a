"""Power drivers: one protocol, found by the entry-point group ``grape.power_drivers``."""
