#!/usr/bin/env bash
# Base images for the samples and the tests, made of Debian's busybox-static of each platform, and put into a registry
# that speaks plain HTTP. Neither an engine nor emulation is needed, and this machine's list of package architectures
# stays as it is: foreign packages are fetched with a private apt state under target/machine/apt.
# usage: base-images.sh HOST:PORT
#   HOST:PORT/base:1            x86_64 and aarch64
#   HOST:PORT/base-x86-only:1   lacks aarch64
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

REGISTRY=${1:?usage: base-images.sh HOST:PORT}
APT=$STATE/apt
LAYOUTS=$STATE/base

# Debian's and OCI's name of a platform's architecture; the two agree for these.
architecture() {
    case "$1" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    ppc64le) echo ppc64el ;;
    *) echo "$1" ;;
    esac
}

# foreign_apt ARCHITECTURE COMMAND…: apt-get with a state of its own for another architecture. The machine's sources
# and keys are used; what they lack for that architecture (some private sources do) is no matter.
foreign_apt() {
    local architecture=$1 root=$APT/$1
    shift
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
    touch "$root/status"
    apt-get -qq \
        -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o Dir::State="$root" -o Dir::State::status="$root/status" -o Dir::Cache="$root/cache" \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@"
}

# busybox PLATFORM: makes sure that $STATE/busybox/PLATFORM is that platform's static busybox.
busybox() {
    local platform=$1 architecture package folder
    architecture=$(architecture "$platform")
    [ ! -s "$STATE/busybox/$platform" ] || return 0
    command -v apt-get >/dev/null ||
        die "put a static busybox for $platform at $STATE/busybox/$platform; without apt-get it cannot be fetched"
    say "base images: fetching busybox-static for $architecture"
    foreign_apt "$architecture" update >"$STATE/apt-$architecture.log" 2>&1 || true
    folder=$STATE/busybox/$platform.package
    rm -rf "$folder"
    mkdir -p "$folder"
    (cd "$folder" && foreign_apt "$architecture" download busybox-static) >>"$STATE/apt-$architecture.log" 2>&1 || {
        tail -n 20 "$STATE/apt-$architecture.log" >&2
        die "busybox-static for $architecture could not be fetched; the end of $STATE/apt-$architecture.log is above"
    }
    package=("$folder"/busybox-static_*.deb)
    dpkg-deb --fsys-tarfile "${package[0]}" | tar -xO ./bin/busybox >"$STATE/busybox/$platform.part"
    mv "$STATE/busybox/$platform.part" "$STATE/busybox/$platform"
    rm -rf "$folder" "${APT:?}/$architecture"
}

# publish NAME PLATFORM…: makes the image as an OCI layout unless it is there, and copies it to the registry as it is.
publish() {
    local name=$1 platform images=()
    shift
    for platform in "$@"; do
        busybox "$platform"
        images+=("$(architecture "$platform")=$STATE/busybox/$platform")
    done
    if [ ! -e "$LAYOUTS/$name/index.json" ]; then
        rm -rf "${LAYOUTS:?}/$name" "$LAYOUTS/$name.part"
        mkdir -p "$LAYOUTS"
        python3 "$ROOT/testkit/machine/base_layout.py" "$LAYOUTS/$name.part" 1 "${images[@]}" >/dev/null
        mv "$LAYOUTS/$name.part" "$LAYOUTS/$name"
    fi
    skopeo --insecure-policy copy --quiet --all --preserve-digests --dest-tls-verify=false \
        "oci:$LAYOUTS/$name:1" "docker://$REGISTRY/$name:1"
    say "base images: $REGISTRY/$name:1 for $*"
}

mkdir -p "$STATE/busybox"
publish base x86_64 aarch64
publish base-x86-only x86_64
