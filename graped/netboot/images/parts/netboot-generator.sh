#!/bin/sh
# Made by Grape: a systemd generator, run before any other program of a node, see systemd.generator(7).
# The kernel has configured the interface by which the root comes. Nobody may configure it again or take it down:
# the root would be gone. Without a root over NFS nothing is done.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
run=${GRAPE_RUN:-/run}
early=$2

read -r line </proc/cmdline
case " $line " in
    *" root=/dev/nfs "* | *" nfsroot="* | *" boot=nfs "* | *" grape.private="*) ;;
    *) exit 0 ;;
esac

# When systemd starts, only the kernel has made routes. Generators run again at each daemon-reload: the first answer holds.
mkdir -p "$run/grape"
if [ ! -e "$run/grape/interfaces" ]; then
    while read -r name _; do
        [ "$name" = Iface ] || echo "$name"
    done </proc/net/route | sort -u >"$run/grape/interfaces"
fi

# Name servers: from the kernel (ip=dhcp), else from an initramfs (ipconfig of klibc).
if [ ! -e "$run/grape/resolv.conf" ]; then
    if [ -r /proc/net/pnp ]; then
        while read -r word value; do
            case $word in
                nameserver) [ "$value" = 0.0.0.0 ] || echo "nameserver $value" ;;
                domain) echo "search $value" ;;
            esac
        done </proc/net/pnp >"$run/grape/resolv.conf"
    fi
    if [ ! -s "$run/grape/resolv.conf" ]; then
        cat "$run"/net-*.conf 2>/dev/null | while IFS== read -r word value; do
            value=${value#\'} value=${value%\'}
            case $word in
                IPV4DNS0 | IPV4DNS1) [ "$value" = 0.0.0.0 ] || echo "nameserver $value" ;;
                DNSDOMAIN) [ -z "$value" ] || echo "search $value" ;;
            esac
        done >"$run/grape/resolv.conf"
    fi
fi

mkdir -p "$run/NetworkManager/conf.d" "$run/systemd/network" "$run/systemd/resolved.conf.d"
names=''
while read -r name; do
    names="$names;interface-name:$name"
    printf '[Match]\nName=%s\n[Link]\nUnmanaged=yes\n' "$name" >"$run/systemd/network/00-grape-$name.network"
done <"$run/grape/interfaces"
[ -z "$names" ] || printf '[keyfile]\nunmanaged-devices=%s\n' "${names#;}" >"$run/NetworkManager/conf.d/99-grape.conf"

servers='' domains=''
while read -r word value; do
    case $word in
        nameserver) servers="$servers $value" ;;
        search) domains="$domains $value" ;;
    esac
done <"$run/grape/resolv.conf"
printf '[Resolve]\nDNS=%s\nDomains=%s\n' "${servers# }" "${domains# }" >"$run/systemd/resolved.conf.d/grape.conf"

# The network is up, and an interface that nobody manages would be waited for in vain.
[ -z "$early" ] || ln -sf /dev/null "$early/systemd-networkd-wait-online.service"
exit 0
