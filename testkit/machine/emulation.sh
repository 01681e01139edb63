#!/usr/bin/env bash
# Emulation of foreign processors: registers Debian's qemu-user-static with the kernel's binfmt_misc, as
# systemd-binfmt would, for machines where no systemd runs. The F flag in Debian's entries makes the kernel hold the
# interpreter open, so that it works inside containers that do not have it.
# usage: emulation.sh start [PLATFORM…]   default: aarch64 s390x ppc64le; prints the names it registered
#        emulation.sh stop                takes back what "start" registered
#        emulation.sh status [PLATFORM…]  fails if one is missing
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

FS=/proc/sys/fs/binfmt_misc
RULES=/usr/lib/binfmt.d
NOTE=$STATE/emulation.registered

registered() { [ -e "$FS/qemu-$1" ] && head -n1 "$FS/qemu-$1" | grep -qx enabled; }

# True if this machine runs the platform without emulation.
native() { [ "$(uname -m)" = "$1" ]; }

mount_filesystem() {
    [ ! -e "$FS/register" ] || return 0
    can_be_root || die "mounting $FS needs root"
    as_root modprobe binfmt_misc 2>/dev/null || true
    as_root mount -t binfmt_misc binfmt_misc "$FS" ||
        die "this kernel has no binfmt_misc, so no foreign processor can be emulated here"
    say "emulation: mounted $FS"
}

start() {
    local platform rule
    mount_filesystem
    mkdir -p "$STATE"
    for platform in "$@"; do
        if native "$platform"; then
            continue
        elif registered "$platform"; then
            say "emulation: $platform is registered"
            continue
        fi
        rule=$RULES/qemu-$platform.conf
        [ -r "$rule" ] || die "$rule is missing; install qemu-user-static (testkit/machine/install.sh)"
        can_be_root || die "registering $platform in $FS needs root"
        grep '^:' "$rule" | as_root tee "$FS/register" >/dev/null
        registered "$platform" || die "the kernel did not take the rule of $rule"
        echo "$platform" >>"$NOTE"
        say "emulation: registered $platform; take it back with testkit/machine/emulation.sh stop"
        echo "$platform"
    done
}

stop() {
    local platform
    [ -e "$NOTE" ] || { say "emulation: nothing was registered from here"; return; }
    while read -r platform; do
        if registered "$platform"; then
            echo -1 | as_root tee "$FS/qemu-$platform" >/dev/null
            say "emulation: took back $platform"
        fi
    done <"$NOTE"
    rm -f "$NOTE"
}

status() {
    local platform missing=0
    for platform in "$@"; do
        if native "$platform"; then
            echo "$platform: native"
        elif registered "$platform"; then
            echo "$platform: $(sed -n 's/^interpreter //p' "$FS/qemu-$platform"), $(sed -n 's/^flags: //p' "$FS/qemu-$platform")"
        else
            echo "$platform: not registered"
            missing=1
        fi
    done
    return "$missing"
}

command=${1:-}
[ $# -eq 0 ] || shift
case "$command" in
start | status)
    [ $# -gt 0 ] || set -- aarch64 s390x ppc64le
    "$command" "$@"
    ;;
stop) stop ;;
*) die "usage: emulation.sh start|stop|status [PLATFORM…]" ;;
esac
