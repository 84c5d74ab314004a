# Facts for look.py, "key value" a line. Reads only; plain sh and coreutils.
say() { printf '%s %s\n' "$1" "$2"; }
say now "$(date +%s.%N)"
say hostname "$(cat /proc/sys/kernel/hostname)"
say uid "$(id -u)"
say arch "$(dpkg --print-architecture 2>/dev/null || uname -m)"
if command -v docker >/dev/null && command -v dockerd >/dev/null; then say docker 1; else say docker 0; fi
if [ -d /run/systemd/system ]; then
    say service "$(systemctl show -p ActiveState --value docker.service 2>/dev/null)"
fi
data=$(sed -n 's/.*"data-root"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null | head -n 1)
data=${data:-/var/lib/docker}
say data "$data"
there=$data
while [ ! -d "$there" ]; do there=$(dirname "$there"); done
say fs "$(stat -f -c '%a %S %d %c %T' "$there")"
if [ -e /srv/grape/volume/docker.img ] || grep -qs '^[^#[:space:]]*/docker\.img[[:space:]]' /etc/fstab; then
    say volume 1
fi
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    grep -qw memory /sys/fs/cgroup/cgroup.controllers && say cgroup_memory 1 || say cgroup_memory 0
else
    say cgroup_memory "$(awk '$1 == "memory" { on = $4 } END { print on + 0 }' /proc/cgroups)"
fi
say addresses "$(hostname -I 2>/dev/null)"
say registry_stamp "$(cat /etc/docker/grape-registry.stamp 2>/dev/null)"
cert=$data/swarm/certificates/swarm-node.crt
if [ -r "$cert" ]; then
    echo cert
    cat "$cert"
fi
