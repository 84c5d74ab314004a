"""A voting application in five small services, and what they share. The standard library alone."""
