"""What is done on a node, over one SSH session with a pinned key: look, join, leave."""
