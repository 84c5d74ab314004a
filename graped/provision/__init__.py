"""Keep servers and roots as the configuration wants them, do long work as jobs, and tell boot stages by evidence."""
