"""A real lab on one machine: networks, a rack that switches real machines, boot ROMs, guests; see README.md."""
