"""grape_docker: a Docker swarm that equals the set of nodes that are up."""
