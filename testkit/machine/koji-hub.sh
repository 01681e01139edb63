#!/usr/bin/env bash
# A stand-in Koji hub on loopback: koji-hub-sim, plain HTTP, furnished by examples/koji/hub.yaml, its builds and files
# under target/machine. Beside them is koji.conf, with which the official command line finds it:
#   koji=$(testkit/machine/koji-client.sh) config=$(testkit/machine/koji-hub.sh config)
#   "$koji" --config "$config" list-tagged f44-container-candidate
#   "$koji" --config "$config" --user osbs --password "$(cat examples/koji/osbs-password)" hello
# The programs must have been built (cargo build --workspace --bins).
# usage: koji-hub.sh start [NAME [PORT]]   prints its address, http://127.0.0.1:PORT/kojihub; no PORT: one that is free
#        koji-hub.sh stop [NAME]           stops it; what it knows stays
#        koji-hub.sh clean [NAME]          stops it and removes what it knows
#        koji-hub.sh status [NAME]         prints its address, or fails
#        koji-hub.sh config [NAME]         prints the path of its koji.conf
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

COMMAND=${1:-}
NAME=koji-hub-${2:-default}
PORT=${3:-}
DATA=$STATE/$NAME

answers() { curl -fsS --max-time 5 "${1%/kojihub}/admin/calls"; }

status() { service_pid "$NAME" >/dev/null && cat "$DATA/address"; }

start() {
    local address program
    if address=$(status); then
        say "koji: $NAME runs at $address"
        echo "$address"
        return
    fi
    program=$(workspace_program koji-hub-sim)
    # A hub that is started again keeps its port: builds and logs name it.
    if [ -z "$PORT" ] && [ -r "$DATA/address" ]; then
        address=$(<"$DATA/address")
        address=${address%/kojihub}
        PORT=${address##*:}
        ! port_open "$PORT" || PORT=
    fi
    : "${PORT:=$(free_port)}"
    ! port_open "$PORT" || die "something else listens on 127.0.0.1:$PORT; stop it or choose another port"
    address=http://127.0.0.1:$PORT/kojihub
    mkdir -p "$DATA"
    service_start "$NAME" "$program" serve --directory "$DATA/hub" --listen "127.0.0.1:$PORT" \
        --seed "$ROOT/examples/koji/hub.yaml"
    if ! wait_for 30 answers "$address"; then
        tail -n 20 "$STATE/$NAME.log" >&2
        service_stop "$NAME"
        die "koji-hub-sim did not answer in 30 s; the end of $STATE/$NAME.log is above"
    fi
    cat >"$DATA/koji.conf" <<CONFIG
[koji]
server = $address
topdir = $DATA/hub/topdir
topurl = ${address%/kojihub}/kojifiles
CONFIG
    echo "$address" >"$DATA/address"
    say "koji: $NAME started at $address; stop it with testkit/machine/koji-hub.sh stop ${NAME#koji-hub-}"
    echo "$address"
}

case "$COMMAND" in
start) start ;;
stop | clean)
    if service_pid "$NAME" >/dev/null; then
        service_stop "$NAME"
        say "koji: $NAME stopped"
    fi
    [ "$COMMAND" = stop ] || rm -rf "$DATA"
    ;;
status) status || { say "koji: $NAME does not run"; exit 1; } ;;
config) echo "$DATA/koji.conf" ;;
*) die "usage: koji-hub.sh start|stop|clean|status|config [NAME [PORT]]" ;;
esac
