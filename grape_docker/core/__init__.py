"""What grape_docker decides: pure functions of what is."""
