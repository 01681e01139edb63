#!/usr/bin/env bash
# The Docker-compatible engine. Uses the one that answers already; otherwise starts Debian's dockerd.
# usage: engine.sh start|stop|status
#   start   prints "running" (it was there before, nothing was changed) or "started" ("engine.sh stop" takes it back)
#           on standard output; an engine that answers only to root is opened to this user until "stop"
#   stop    takes back only what "start" did
# Exit code 4 when root is needed for it and cannot be had.
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

SOCKET=/var/run/docker.sock
OPENED=$STATE/engine.socket

answers() { curl -fsS --max-time 5 --unix-socket "$SOCKET" http://engine/_ping; }

version() {
    curl -fsS --max-time 5 --unix-socket "$SOCKET" http://engine/version |
        python3 -c 'import json,sys; v = json.load(sys.stdin); print(v["Version"], "API", v["ApiVersion"], v["Os"] + "/" + v["Arch"])'
}

start() {
    if answers >/dev/null 2>&1; then
        say "engine: $(version) answers at $SOCKET; using it"
        echo running
        return
    fi
    if ! can_be_root; then
        say "engine: none answers to you at $SOCKET, and it takes root to change that: start dockerd, join the group docker"
        exit "$EXIT_MISSING"
    fi
    if [ -S "$SOCKET" ] && [ "$(id -u)" -ne 0 ] && as_root curl -fsS --max-time 5 --unix-socket "$SOCKET" http://engine/_ping >/dev/null 2>&1; then
        mkdir -p "$STATE"
        as_root stat -c %u "$SOCKET" >"$OPENED"
        as_root chown "$(id -u)" "$SOCKET"
        answers >/dev/null 2>&1 || die "$SOCKET answers to root, but not to its owner"
        say "engine: $(version) answered only to root; $SOCKET is yours until testkit/machine/engine.sh stop"
        echo started
        return
    fi
    command -v dockerd >/dev/null || PATH=$PATH:/usr/sbin:/sbin
    command -v dockerd >/dev/null || die "no engine answers at $SOCKET and there is no dockerd; run testkit/machine/install.sh"
    if ! grep -q ' cgroup2\? ' /proc/mounts && command -v cgroupfs-mount >/dev/null; then
        say "engine: mounting the control groups (cgroupfs-mount)"
        as_root cgroupfs-mount
    fi
    # A pid file that a killed engine left behind would keep a new one from starting.
    if [ -f /var/run/docker.pid ] && ! [ -d "/proc/$(cat /var/run/docker.pid)" ]; then
        as_root rm -f /var/run/docker.pid
    fi
    say "engine: starting dockerd, log in $STATE/engine.log"
    if [ "$(id -u)" -eq 0 ]; then
        service_start engine dockerd
    else
        service_start engine sudo -n dockerd --group "$(id -gn)"
    fi
    if ! wait_for 60 answers; then
        tail -n 20 "$STATE/engine.log" >&2
        service_stop engine
        die "dockerd did not answer in 60 s; its last lines are above, all of them in $STATE/engine.log"
    fi
    say "engine: $(version) started; stop it with testkit/machine/engine.sh stop"
    echo started
}

case "${1:-}" in
start) start ;;
stop)
    if [ -r "$OPENED" ]; then
        [ ! -S "$SOCKET" ] || as_root chown "$(<"$OPENED")" "$SOCKET"
        rm -f "$OPENED"
        say "engine: $SOCKET has its former owner again"
    elif service_pid engine >/dev/null; then
        service_stop engine 30
        say "engine: stopped"
    else
        say "engine: none was started from here"
    fi
    ;;
status)
    answers >/dev/null 2>&1 || { say "engine: none answers at $SOCKET"; exit 1; }
    version
    ;;
*) die "usage: engine.sh start|stop|status" ;;
esac
