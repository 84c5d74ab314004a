"""The kernel of the User-Mode Linux guests: what it must have, and how it is built once."""
