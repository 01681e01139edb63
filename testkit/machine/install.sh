#!/usr/bin/env bash
# Installs what is missing on a Debian machine. Looks for what is needed, not for packages: whatever provides it will do.
# usage: install.sh [--list] run|test
#   run     what the demo needs: to build the workspace, an engine, emulation, a registry
#   test    that, and what the tests need besides
#   --list  only say what is missing; install nothing
# Exit code 4 with a list when something is missing that this script may not or cannot install.
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

PATH=$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin
PACKAGES=()
WHY=()

# need PACKAGES WHY COMMAND…: notes the Debian packages unless COMMAND succeeds.
need() {
    local packages=$1 why=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        # shellcheck disable=SC2206  # several packages may be named
        PACKAGES+=($packages)
        WHY+=("  $packages: $why")
    fi
}

has() { command -v "$1"; }
# An engine or emulation that is installed but off will do where this user can turn it on.
engine() {
    curl -fsS --max-time 5 --unix-socket /var/run/docker.sock http://engine/_ping || { has dockerd && can_be_root; }
}
emulation() {
    [ "$(uname -m)" = aarch64 ] || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
        { [ -r /usr/lib/binfmt.d/qemu-aarch64.conf ] && can_be_root; }
}
openssl_headers() { pkg-config --exists openssl; }
python_can() { python3 -m pip --version; }

look() {
    PACKAGES=() WHY=()
    need git "clones what is built, serves the samples" has git
    need curl "asks the engine and the registry whether they answer" has curl
    need ca-certificates "lets HTTPS clients verify servers" test -e /etc/ssl/certs/ca-certificates.crt
    need gcc "compiles the C parts of SQLite and libgit2" has cc
    need libc6-dev "headers for the same" test -e /usr/include/stdlib.h
    need pkg-config "finds OpenSSL's headers" has pkg-config
    need libssl-dev "OpenSSL's headers, for libgit2's HTTPS and SSH" openssl_headers
    need python3 "assembles the base images" has python3
    need "docker.io cgroupfs-mount iptables" "a Docker engine, running and open to you (group docker)" engine
    need qemu-user-static "emulates foreign processors, registered with the kernel" emulation
    need docker-registry "the registry on loopback" has docker-registry
    need skopeo "copies and inspects images" has skopeo
    [ "$1" = test ] || return 0
    need npm "installs buf" has npm
    need python3-pip "fetches grpcurl" python_can
}

# Says what of Rust is missing or too old; fails if anything is.
rust() {
    local wanted version tool missing=0
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml")
    if ! command -v cargo >/dev/null; then
        say "Rust is missing: install $wanted or newer with cargo, rustfmt and clippy (rustup is the usual way)."
        return 1
    fi
    version=$(cd "$ROOT" && rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" != "$wanted" ]; then
        say "Rust $version is too old: $wanted or newer is needed (rustup is the usual way)."
        missing=1
    fi
    [ "$1" = test ] || return "$missing"
    for tool in cargo-fmt cargo-clippy; do
        if ! command -v "$tool" >/dev/null; then
            say "Rust's $tool is missing (rustup component add rustfmt clippy)."
            missing=1
        fi
    done
    return "$missing"
}

missing_list() {
    say "These Debian packages are missing:"
    printf '%s\n' "${WHY[@]}" >&2
}

MODE=install
[ "${1:-}" != --list ] || { MODE=list; shift; }
SET=${1:-}
case "$SET" in run | test) ;; *) die "usage: install.sh [--list] run|test" ;; esac

if ! rust "$SET"; then
    look "$SET"
    [ ${#PACKAGES[@]} -eq 0 ] || missing_list
    exit "$EXIT_MISSING"
fi

look "$SET"
if [ ${#PACKAGES[@]} -eq 0 ]; then
    say "install: nothing is missing"
    exit 0
fi
missing_list
if [ "$MODE" = list ]; then
    exit "$EXIT_MISSING"
fi
if ! command -v apt-get >/dev/null; then
    say "There is no apt-get here. Install the same by your system's means, then run this again."
    exit "$EXIT_MISSING"
fi
if ! can_be_root; then
    say "Installing needs root, and sudo wants a password or is missing. As root, run:"
    say "  apt-get update && apt-get install --no-install-recommends ${PACKAGES[*]}"
    exit "$EXIT_MISSING"
fi
say "install: apt-get install ${PACKAGES[*]}"
say "install: (where systemd runs, docker.io and docker-registry start services of their own; systemctl stops them)"
mkdir -p "$STATE"
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$STATE/install.log" 2>&1; }
: >"$STATE/install.log"
apt update || say "install: apt-get update failed; trying with the lists that are here"
if ! apt install --yes --no-install-recommends "${PACKAGES[@]}"; then
    tail -n 20 "$STATE/install.log" >&2
    say "install: apt-get failed; the end of $STATE/install.log is above. Install the packages by hand, then run this again."
    exit "$EXIT_MISSING"
fi
look "$SET"
if [ ${#PACKAGES[@]} -gt 0 ]; then
    missing_list
    say "install: apt-get succeeded, and yet these are not found; is their folder in PATH?"
    exit "$EXIT_MISSING"
fi
say "install: done"
