"""The swarm, seen and changed from the master by the Docker SDK."""
