"""What the lab shows, a folder a suite; each has its own make target."""
