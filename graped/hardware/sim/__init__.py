"""The simulated rack: chips, nodes and faults behind the same protocols as the real hardware; standard library alone.

``python -m graped.hardware.sim`` is a process of its own that outlives the daemon, as a real rack does.
"""
