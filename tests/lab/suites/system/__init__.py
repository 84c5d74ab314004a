"""A fresh Debian becomes a master: `make lab-system`."""
