"""The simulated rack: register-level chips, nodes that boot, faults on demand."""
