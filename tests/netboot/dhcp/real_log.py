"""Lines that dnsmasq 2.90 (Debian 12) really wrote, of one packet or transfer each."""

from __future__ import annotations

STARTED = """\
Nov 26 17:20:54 dnsmasq[31728]: started, version 2.90 cachesize 150
Nov 26 17:20:54 dnsmasq[31728]: compile time options: IPv6 GNU-getopt DBus no-UBus i18n IDN2 DHCP DHCPv6 no-Lua TFTP
Nov 26 17:20:54 dnsmasq-dhcp[31728]: DHCP, static leases only on 10.77.0.0, lease time infinite
Nov 26 17:20:54 dnsmasq-dhcp[31728]: DHCP, sockets bound exclusively to interface br0
Nov 26 17:20:54 dnsmasq-tftp[31728]: TFTP root is /srv/tftp  
"""  # noqa: W291

PI3B = """\
Nov 26 17:21:39 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:39 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:21:39 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) b8:27:eb:00:00:01 
Nov 26 17:21:39 dnsmasq-dhcp[31728]: 653460281 reply delay: 1
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 tags: known, rpi3b, bios, rpi, pi, br0
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 DHCPOFFER(br0) 10.77.0.21 b8:27:eb:00:00:01 
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 requested options: 43:vendor-encap, 60:vendor-class, 67:bootfile-name, 
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 requested options: 128, 129, 130, 131, 132, 133, 134, 135, 66:tftp-server
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 next server: 10.77.0.1
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size:  1 option: 53 message-type  2
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size:  4 option: 54 server-identifier  10.77.0.1
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size:  9 option: 60 vendor-class  50:58:45:43:6c:69:65:6e:74
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size: 17 option: 97 client-machine-id  00:44:44:44:44:44:44:44:44:44:44:44:44:44...
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size: 35 option: 43 vendor-encap  06:01:03:0a:04:00:50:58:45:09:17:00:00:14...
"""  # noqa: E501, W291

PI3BPLUS = """\
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) b8:27:eb:00:00:01 
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 tags: known, bios, rpi, pi, br0
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 DHCPOFFER(br0) 10.77.0.21 b8:27:eb:00:00:01 
Nov 26 17:21:40 dnsmasq-dhcp[31728]: 653460281 sent size: 17 option: 97 client-machine-id  00:12:34:56:78:12:34:56:78:12:34:56:78:12...
"""  # noqa: E501, W291

PI4 = """\
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) dc:a6:32:00:00:01 
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 tags: known, rpi4, bios, rpi, pi, br0
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 DHCPOFFER(br0) 10.77.0.21 dc:a6:32:00:00:01 
Nov 26 17:21:42 dnsmasq-dhcp[31728]: 653460281 sent size: 17 option: 97 client-machine-id  00:52:50:69:34:11:31:c0:00:01:00:00:eb:78...
"""  # noqa: E501, W291

STRANGER = """\
Nov 26 17:21:45 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:45 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:21:45 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) dc:a6:32:00:00:99 ignored
Nov 26 17:21:46 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:46 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) dc:a6:32:00:00:98 ignored
"""

IPXE = """\
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 user class: iPXE
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) 52:54:00:00:01:01 
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 tags: known, ipxe, bios, br0
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 DHCPOFFER(br0) 10.77.0.22 52:54:00:00:01:01 
Nov 26 17:21:49 dnsmasq-dhcp[31728]: 653460281 sent size: 17 option: 97 client-machine-id  00:00:01:02:03:04:05:06:07:08:09:0a:0b:0c...
"""  # noqa: E501, W291

SYSTEM = """\
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 vendor class: udhcp 1.35.0
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 client provides name: zzz
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 DHCPREQUEST(br0) 10.77.0.21 b8:27:eb:00:00:01 
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 tags: known, rpi, br0
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 DHCPACK(br0) 10.77.0.21 b8:27:eb:00:00:01 worker-0-0
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 next server: 10.77.0.1
Nov 26 17:22:21 dnsmasq-dhcp[31728]: 2114923877 sent size: 10 option: 12 hostname  worker-0-0
"""  # noqa: W291

REPLACED = """\
Nov 26 17:23:36 dnsmasq[31728]: duplicate dhcp-host IP address 10.77.0.21 at line 1 of /srv/hosts/worker-0-0
Nov 26 17:23:36 dnsmasq-dhcp[31728]: 653460281 available DHCP subnet: 10.77.0.0/255.255.255.0
Nov 26 17:23:36 dnsmasq-dhcp[31728]: 653460281 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 26 17:23:36 dnsmasq-dhcp[31728]: not using configured address 10.77.0.21 because it is leased to b8:27:eb:00:00:01
Nov 26 17:23:36 dnsmasq-dhcp[31728]: 653460281 DHCPDISCOVER(br0) b8:27:eb:00:00:07 no address available
"""

FILES = """\
Nov 26 17:22:21 dnsmasq-tftp[31728]: sent /srv/tftp/b8-27-eb-00-00-01/config.txt to 10.77.0.21
Nov 26 17:22:21 dnsmasq-tftp[31728]: file /srv/tftp/b8-27-eb-00-00-01/12345678/start.elf not found for 10.77.0.21
Nov 26 17:22:21 dnsmasq-tftp[31728]: cannot access /srv/tftp/b8-27-eb-00-00-01/big: Permission denied
Nov 26 17:22:21 dnsmasq-tftp[31728]: cannot read /srv/tftp/b8-27-eb-00-00-01/overlays: Is a directory
Nov 26 17:22:25 dnsmasq-tftp[31728]: error 8 Early terminate received from 10.77.0.21
Nov 26 17:22:25 dnsmasq-tftp[31728]: sent /srv/tftp/b8-27-eb-00-00-01/start.elf to 10.77.0.21
Nov 26 17:22:25 dnsmasq-tftp[31728]: sent /srv/tftp/b8-27-eb-00-00-01/start.elf to 10.77.0.21
Nov 26 17:22:25 dnsmasq-tftp[31728]: error 8 Early terminate received from 10.77.0.21
Nov 26 17:22:25 dnsmasq-tftp[31728]: failed sending /srv/tftp/b8-27-eb-00-00-01/start.elf to 10.77.0.21
Nov 26 17:22:25 dnsmasq-tftp[31728]: unsupported request from 10.77.0.21
Nov 26 17:22:54 dnsmasq-tftp[31728]: failed sending /srv/tftp/b8-27-eb-00-00-01/kernel8.img to 10.77.0.21
"""
