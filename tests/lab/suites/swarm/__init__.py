"""grape_docker with real Docker engines in a real swarm."""
