#!/bin/sh
# Made by Grape: the first program of a node that keeps its changes in RAM (init= on its kernel command line).
# Over the shared root, which is read-only, goes a tmpfs; into that go this node's own files; then the real init runs.
#   grape.private=SERVER:/PATH   NFS export with the node's own files
#   grape.ram=SIZE               room for changes, as tmpfs takes it (default 50%)
#   grape.init=PATH              default /sbin/init
# mount -n: its notes would go to /run, which cannot be written yet.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
place=/usr/lib/grape/ram

say() {
    echo "grape: $*" >/dev/kmsg 2>/dev/null || echo "grape: $*"
}

fail() {
    say "$*"
    say "this node cannot start; it tries again in 15 s"
    sleep 15
    reboot -ff
    exit 1 # a kernel without its first program panics: panic= on its command line decides what then
}

[ -r /proc/cmdline ] || mount -n -t proc proc /proc || fail "no /proc"
private='' ram=50% init=/sbin/init
read -r line </proc/cmdline
for word in $line; do
    case $word in
        grape.private=*) private=${word#*=} ;;
        grape.ram=*) ram=${word#*=} ;;
        grape.init=*) init=${word#*=} ;;
    esac
done

grep -qw overlay /proc/filesystems || modprobe overlay || fail "this kernel has no overlayfs"
mount -n -t tmpfs -o "mode=0755,size=$ram" tmpfs "$place" || fail "no RAM for changes"
mkdir "$place/lower" "$place/upper" "$place/work" "$place/root" "$place/own" || fail "cannot make folders in RAM"
mount -n -o bind / "$place/lower" || fail "cannot see the shared root"
mount -n -t overlay -o "lowerdir=$place/lower,upperdir=$place/upper,workdir=$place/work" overlay "$place/root" ||
    fail "cannot lay RAM over the shared root"

if [ -n "$private" ]; then
    tries=0
    # addr=: so that the kernel mounts it, also where mount.nfs is not installed
    until mount -n -i -t nfs -o "ro,vers=3,proto=tcp,nolock,addr=${private%%:*}" "$private" "$place/own"; do
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || fail "$private cannot be mounted"
        say "$private cannot be mounted yet"
        sleep 2
    done
    cp -a "$place/own/." "$place/root/" || fail "cannot copy this node's own files"
    umount -n "$place/own"
fi

for name in dev proc sys run; do
    if grep -q " /$name " /proc/mounts; then
        mount -n --move "/$name" "$place/root/$name" || fail "cannot take /$name along"
    fi
done
cd "$place/root" || fail "no new root"
pivot_root . mnt || fail "cannot change to the new root"
# The old root stays in use below the overlay; nobody needs to see it.
exec chroot . /bin/sh -c 'umount -n -l /mnt; exec "$0"' "$init" <dev/console >dev/console 2>&1
