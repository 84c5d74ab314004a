"""DHCP, TFTP and DNS of the cluster's network: one dnsmasq, rendered from the plan, and what its log tells."""
