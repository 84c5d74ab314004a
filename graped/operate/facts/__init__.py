"""What nodes say of themselves when asked; which one it is."""
