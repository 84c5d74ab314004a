"""Images of masters and of nodes, built out of Debian packages: the program ``grape-image``."""
