# Install Docker: "apt" from the node's own sources, "debs FOLDER" from packages that were copied there.
export DEBIAN_FRONTEND=noninteractive
if ! command -v apt-get >/dev/null; then
    echo "E: no apt-get on this node: install Docker by hand" >&2
    exit 1
fi
get() {
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@" >&2
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
    # The folder becomes a repository of its own: what docker.io needs is taken from it, and nothing else.
    cd "$2" || exit 1
    for deb in *.deb; do
        dpkg-deb -f "$deb" || exit 1
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(wc -c <"$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
    done >Packages
    echo "deb [trusted=yes] file:$2 ./" >sources.list
    mkdir -p lists/partial
    set -- -o "Dir::Etc::SourceList=$2/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$2/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
    apt-get -q "$@" update >/dev/null || exit 1
    get "$@" docker.io || exit 1
    command -v docker >/dev/null || get "$@" docker-cli || exit 1
    ;;
esac
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    echo "E: installed, and there is no docker or no dockerd" >&2
    exit 1
fi
