#!/usr/bin/env bash
# koji-bridge in front of a stand-in hub that koji-hub.sh has started under the same name: on a Unix socket under
# target/machine, as a sidecar would be, or on a port of loopback; logged in as "osbs" by password. The programs must
# have been built.
# usage: koji-bridge.sh start [NAME [PORT]]   prints its address: unix:PATH, or with a port 127.0.0.1:PORT
#        koji-bridge.sh stop [NAME]           stops it; it keeps nothing but the key of its tickets
#        koji-bridge.sh clean [NAME]          stops it and removes its settings
#        koji-bridge.sh status [NAME]         prints its address, or fails
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

COMMAND=${1:-}
NAME=koji-bridge-${2:-default}
PORT=${3:-}
DATA=$STATE/$NAME

status() { service_pid "$NAME" >/dev/null && cat "$DATA/address"; }

listens() { grep -q '^listening on ' "$STATE/$NAME.log"; }

start() {
    local address hub program
    if address=$(status); then
        say "koji: $NAME runs at $address"
        echo "$address"
        return
    fi
    program=$(workspace_program koji-bridge)
    hub=$("$(dirname "${BASH_SOURCE[0]}")/koji-hub.sh" status "${NAME#koji-bridge-}")
    mkdir -p "$DATA"
    address=unix:$DATA/bridge.sock
    # The kernel takes no longer paths of sockets.
    [ ${#address} -le 110 ] || : "${PORT:=$(free_port)}"
    [ -z "$PORT" ] || address=127.0.0.1:$PORT
    # A bridge that was killed leaves its socket behind.
    rm -f "$DATA/bridge.sock"
    cp "$ROOT/examples/koji/osbs-password" "$DATA/password"
    chmod 0600 "$DATA/password"
    cat >"$DATA/bridge.yaml" <<CONFIG
service:
  listen: "$address"
koji:
  hub_url: $hub
  files_url: ${hub%/kojihub}/kojifiles
  login:
    user: osbs
    password_file: "$DATA/password"
  # The stand-in's tasks are over at once, and nothing here waits for people.
  patience:
    retry_interval_seconds: 1
    task_poll_seconds: 1
uploads:
  ticket_key_file: "$DATA/ticket.key"
CONFIG
    service_start "$NAME" "$program" serve --config "$DATA/bridge.yaml"
    if ! wait_for 30 listens; then
        tail -n 20 "$STATE/$NAME.log" >&2
        service_stop "$NAME"
        die "koji-bridge did not listen in 30 s; the end of $STATE/$NAME.log is above"
    fi
    echo "$address" >"$DATA/address"
    say "koji: $NAME started at $address; stop it with testkit/machine/koji-bridge.sh stop ${NAME#koji-bridge-}"
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
*) die "usage: koji-bridge.sh start|stop|clean|status [NAME [PORT]]" ;;
esac
