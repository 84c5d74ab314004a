"""Commands and files on many nodes at once, over SSH."""
