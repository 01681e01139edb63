#!/usr/bin/env bash
# A registry on loopback: Debian's docker-registry, plain HTTP, deletion allowed, files under target/machine.
# usage: registry.sh start [NAME [PORT]]   prints its HOST:PORT on standard output; no PORT: one that is free
#        registry.sh stop [NAME]           stops it; the images stay
#        registry.sh clean [NAME]          stops it and removes its images
#        registry.sh status [NAME]         prints its HOST:PORT, or fails
# Several can run at a time, under different names.
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

COMMAND=${1:-}
NAME=registry-${2:-default}
PORT=${3:-}
DATA=$STATE/$NAME

answers() { curl -fsS --max-time 5 "http://$1/v2/"; }

status() { service_pid "$NAME" >/dev/null && cat "$DATA/address"; }

start() {
    local address
    if address=$(status); then
        say "registry: $NAME runs at $address"
        echo "$address"
        return
    fi
    command -v docker-registry >/dev/null || die "there is no docker-registry; run testkit/machine/install.sh"
    : "${PORT:=$(free_port)}"
    ! port_open "$PORT" || die "something else listens on 127.0.0.1:$PORT; stop it or choose another port"
    address=127.0.0.1:$PORT
    mkdir -p "$DATA"
    cat >"$DATA/config.yml" <<CONFIG
version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage:
  filesystem: {rootdirectory: "$DATA/images"}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "$address"}
CONFIG
    service_start "$NAME" docker-registry serve "$DATA/config.yml"
    if ! wait_for 30 answers "$address"; then
        tail -n 20 "$STATE/$NAME.log" >&2
        service_stop "$NAME"
        die "docker-registry did not answer in 30 s; the end of $STATE/$NAME.log is above"
    fi
    echo "$address" >"$DATA/address"
    say "registry: $NAME started at $address; stop it with testkit/machine/registry.sh stop ${NAME#registry-}"
    echo "$address"
}

case "$COMMAND" in
start) start ;;
stop | clean)
    if service_pid "$NAME" >/dev/null; then
        service_stop "$NAME"
        say "registry: $NAME stopped"
    fi
    [ "$COMMAND" = stop ] || rm -rf "$DATA"
    ;;
status) status || { say "registry: $NAME does not run"; exit 1; } ;;
*) die "usage: registry.sh start|stop|clean|status [NAME [PORT]]" ;;
esac
