"""The pure core: (state, event, now) -> (state, effects). No clock, loop, logging or system calls."""
