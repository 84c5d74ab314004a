"""Images, roots, and the DHCP, TFTP and NFS servers that hand them to the nodes: a plan first, then applied."""
