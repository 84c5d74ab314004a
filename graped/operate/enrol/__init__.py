"""Which board sits in which slot, and who waits for one."""
