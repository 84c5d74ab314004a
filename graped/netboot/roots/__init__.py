"""One writable root for each node and image version: made beside the running one, switched to, kept, thrown away."""
