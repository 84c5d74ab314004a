"""The cluster's own registry: Debian's docker-registry on the master, trusted by the nodes, filled by the master."""
