"""The network as seen from the master: links and neighbours (pyroute2), SSH to the nodes (paramiko)."""
