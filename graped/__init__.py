"""Grape's daemon: the only program that touches hardware, DHCP, TFTP and NFS."""

__version__ = "0.1.0"
