"""Turn a Debian into a master, say first what would change, and take it back: standard library alone."""
