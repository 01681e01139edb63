#!/usr/bin/env bash
# The Docker-compatible engine. Uses the one that answers already; otherwise starts Debian's dockerd.
# usage: engine.sh start|stop|status
#   start   prints "running" (it was there before) or "started" (stop it with "engine.sh stop") on standard output
#   stop    stops only an engine that "start" started
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

SOCKET=/var/run/docker.sock

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
    command -v dockerd >/dev/null || PATH=$PATH:/usr/sbin:/sbin
    command -v dockerd >/dev/null || die "no engine answers at $SOCKET and there is no dockerd; run testkit/machine/install.sh"
    can_be_root || die "no engine answers at $SOCKET, and starting dockerd needs root; start it and run this again"
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
    if service_pid engine >/dev/null; then
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
