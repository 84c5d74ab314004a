"""What nodes say while they boot and run."""
