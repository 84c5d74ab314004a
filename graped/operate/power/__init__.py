"""Soft-off and soft reboot: a system is asked to stop, and seen to go down."""
