#!/bin/bash
# Made by Grape: sends what the kernel and the services of a node say to the master, as datagrams, by bash alone.
# Where to is in the kernel's command line: grape.console=MASTER:SYSLOG:NETCONSOLE. A word that is lost is lost.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C

read -r line <"${GRAPE_CMDLINE:-/proc/cmdline}"
host='' syslog='' netconsole=''
for word in $line; do
    case $word in
        grape.console=*) IFS=: read -r host syslog netconsole < <(echo "${word#*=}") ;;
    esac
done
[ -n "$netconsole" ] || exit 0

# Also when the kernel falls: its netconsole sends what no program can send any more. The master's address on the wire
# and the interface to it are known, for the root comes from there. The lines have the numbers of /dev/kmsg ("+").
load_netconsole() {
    [ ! -d /sys/module/netconsole ] || return # built in, told by the command line
    while read -r ip _ _ mac _ device; do
        if [ "$ip" = "$host" ]; then
            modprobe netconsole "netconsole=+@/$device,$netconsole@$host/$mac" 2>/dev/null
            return
        fi
    done </proc/net/arp
}

# cat reads a record at a time, as /dev/kmsg wants it, and ends where records were lost; those that come twice have a
# number, by which graped knows them. Lines that begin with a space are a record's dictionary.
kernel() {
    until exec 3>"/dev/udp/$host/$netconsole"; do sleep 1; done 2>/dev/null
    printf '%s\n' "$hello" >&3 2>/dev/null
    while :; do
        cat "${GRAPE_KMSG:-/dev/kmsg}" 2>/dev/null | while IFS= read -r line; do
            case $line in
                ' '*) ;;
                *) printf '%s\n' "${line:0:1400}" >&3 ;;
            esac
        done 2>/dev/null
        sleep 1
    done
}

services() {
    until exec 3>"/dev/udp/$host/$syslog"; do sleep 1; done 2>/dev/null
    printf '%s\n' "$hello" >&3 2>/dev/null
    # Not of the kernel, which sends for itself; with what was said before the journal could be read.
    while :; do
        journalctl --boot --follow --no-tail --output=short --quiet \
            _TRANSPORT=journal + _TRANSPORT=syslog + _TRANSPORT=stdout 2>/dev/null |
            while IFS= read -r line; do printf '%s\n' "${line:0:1400}" >&3; done 2>/dev/null
        sleep 5
    done
}

read -r hello </proc/sys/kernel/random/boot_id
hello="grape-console boot $hello"
kernel &
services &
load_netconsole
wait
