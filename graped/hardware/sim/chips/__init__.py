"""Register-level models of the chips on the boards: bytes in, bytes out, as in their datasheets."""
