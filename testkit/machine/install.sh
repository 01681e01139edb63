#!/usr/bin/env bash
# Installs what is missing on a Debian machine. Looks for what is needed, not for packages: whatever provides it will do.
# usage: install.sh [--list] run|test
#   run     what the demo needs: to build the workspace, an engine, emulation, a registry, Koji's client
#   test    that, and what the tests need besides
#   --list  only say what is missing; install nothing
# Exit code 4 with a list when something is missing that this script may not or cannot install.
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

PATH=$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin
PACKAGES=()
WHY=()
# What qemu-user-static brings for the demo's second processor.
RULE=/usr/lib/binfmt.d/qemu-aarch64.conf

# need PACKAGES WHY COMMAND…: notes the Debian packages unless COMMAND succeeds. No package: something to be set up.
need() {
    local packages=$1 why=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        # shellcheck disable=SC2206  # several packages may be named
        PACKAGES+=($packages)
        WHY+=("  ${packages:+$packages: }$why")
    fi
}

has() { command -v "$1"; }
# An engine or emulation that is installed but off will do where this user can turn it on.
engine() {
    curl -fsS --max-time 5 --unix-socket /var/run/docker.sock http://engine/_ping || { has dockerd && can_be_root; }
}
emulation() {
    [ "$(uname -m)" = aarch64 ] || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
        { [ -r "$RULE" ] && can_be_root; }
}
openssl_headers() { pkg-config --exists openssl; }
python_can() { python3 -m pip --version; }
# Debian's python3 has the one without the other.
python_venv() { python3 -c 'import ensurepip, venv'; }

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
    if has dockerd >/dev/null; then
        need "" "the Docker engine: it is installed; let root start dockerd and put you into the group docker" engine
    else
        need "docker.io cgroupfs-mount iptables" "a Docker engine, running and open to you (group docker)" engine
    fi
    if [ -r "$RULE" ]; then
        need "" "emulation: it is installed; let root run testkit/machine/emulation.sh start" emulation
    else
        need qemu-user-static "emulates foreign processors" emulation
    fi
    need docker-registry "the registry on loopback" has docker-registry
    need skopeo "copies and inspects images" has skopeo
    need python3-venv "installs Koji's official client" python_venv
    [ "$1" = test ] || return 0
    need npm "installs buf" has npm
    need python3-pip "fetches grpcurl" python_can
    need busybox-static "a program for images made from scratch" test -x /bin/busybox
    need openssh-server "git over ssh" test -x /usr/sbin/sshd
    need openssl "makes certificates for the registry" has openssl
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
    say "These are missing (Debian package: what for):"
    printf '%s\n' "${WHY[@]}" >&2
}

MODE=install
[ "${1:-}" != --list ] || { MODE=list; shift; }
SET=${1:-}
case "$SET" in run | test) ;; *) die "usage: install.sh [--list] run|test" ;; esac

look "$SET"
if ! rust "$SET"; then
    [ ${#WHY[@]} -eq 0 ] || missing_list
    exit "$EXIT_MISSING"
fi
if [ ${#WHY[@]} -eq 0 ]; then
    say "install: nothing is missing"
    exit 0
fi
missing_list
if [ "$MODE" = list ] || [ ${#PACKAGES[@]} -eq 0 ]; then
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
say "install: their services are not started now; where systemd runs they would be at the next boot, unless you say:"
say "           systemctl disable docker.service docker.socket containerd.service docker-registry.service"
mkdir -p "$STATE"
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$STATE/install.log" 2>&1; }
: >"$STATE/install.log"
# Debian's way to say that packages may not start services; taken back at once.
POLICY=/usr/sbin/policy-rc.d
if [ ! -e "$POLICY" ]; then
    trap 'as_root rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 0755 "$POLICY"
fi
apt update || say "install: apt-get update failed; trying with the lists that are here"
if ! apt install --yes --no-install-recommends "${PACKAGES[@]}"; then
    tail -n 20 "$STATE/install.log" >&2
    say "install: apt-get failed; the end of $STATE/install.log is above. Install the packages by hand, then run this again."
    exit "$EXIT_MISSING"
fi
look "$SET"
if [ ${#WHY[@]} -gt 0 ]; then
    missing_list
    say "install: apt-get succeeded, and yet these are not found; is their folder in PATH?"
    exit "$EXIT_MISSING"
fi
say "install: done"
