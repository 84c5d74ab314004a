"""NFS: which folder is exported to which node, and the two servers that can do it."""
