"""Netbooting: `make lab-netboot`."""
