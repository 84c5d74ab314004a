"""Immutable versions of bootable systems: imported, told apart by digest, compared, removed."""
