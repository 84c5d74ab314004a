# Install Docker: "apt" from the node's own sources, "debs FOLDER" from packages that were copied there.
export DEBIAN_FRONTEND=noninteractive
if ! command -v apt-get >/dev/null; then
    echo "E: no apt-get on this node: install Docker by hand" >&2
    exit 1
fi
get() {
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@" >/dev/null
}
# A power cut in the middle of an installation leaves packages that are unpacked and not configured.
if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a --force-confold >/dev/null 2>&1; fi

case $1 in
apt)
    if ! get docker.io 2>/dev/null; then
        apt-get update -q -o APT::Update::Error-Mode=any -o Acquire::Retries=1 >/dev/null || exit 1
        get docker.io || exit 1
    fi
    command -v docker >/dev/null || get docker-cli || exit 1
    ;;
debs)
    cd "$2" || exit 1
    new=
    for deb in *.deb; do
        name=$(dpkg-deb -f "$deb" Package) || exit 1
        have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null)
        case $have in
        "installed "*) dpkg --compare-versions "${have#installed }" ge "$(dpkg-deb -f "$deb" Version)" && continue ;;
        esac
        new="$new ./$deb"
    done
    # shellcheck disable=SC2086 # names of packages hold no blanks
    if [ -n "$new" ]; then
        get -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null $new || exit 1
    fi
    ;;
esac
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    echo "E: installed, and there is no docker or no dockerd" >&2
    exit 1
fi
