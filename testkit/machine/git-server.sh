#!/usr/bin/env bash
# Serves the samples of examples/ as git repositories over git:// on loopback, read only. Each sample becomes a bare
# repository with one commit on "main", tagged "v1"; the commit's id depends on nothing but the sample's content.
# usage: git-server.sh start [NAME [PORT]]   prints its address, git://127.0.0.1:PORT, on standard output
#        git-server.sh stop [NAME]
#        git-server.sh status [NAME]         prints its address, or fails
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

COMMAND=${1:-}
NAME=git-${2:-default}
PORT=${3:-}
DATA=$STATE/$NAME

status() { service_pid "$NAME" >/dev/null && cat "$DATA/address"; }

# repository SAMPLE: makes $DATA/SAMPLE.git anew from examples/SAMPLE as it is now.
repository() {
    local bare=$DATA/$1.git
    (
        # Settings of the person who runs this must not change the commit.
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
        export GIT_AUTHOR_NAME=Sample GIT_AUTHOR_EMAIL=sample@example.org GIT_AUTHOR_DATE='2026-01-01T00:00:00Z'
        export GIT_COMMITTER_NAME=Sample GIT_COMMITTER_EMAIL=sample@example.org GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
        unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
        rm -rf "$bare.part"
        git init --quiet --bare --initial-branch=main "$bare.part"
        git --git-dir="$bare.part" --work-tree="$ROOT/examples/$1" add --all
        git --git-dir="$bare.part" --work-tree="$ROOT/examples/$1" commit --quiet --message "Sample: $1"
        git --git-dir="$bare.part" tag v1
        rm -rf "$bare.part/index" "$bare.part/logs" "$bare"
        mv "$bare.part" "$bare"
    )
}

start() {
    local address dockerfile
    mkdir -p "$DATA"
    for dockerfile in "$ROOT"/examples/*/Dockerfile; do
        repository "$(basename "$(dirname "$dockerfile")")"
    done
    if address=$(status); then
        say "git: $NAME runs at $address; its repositories are made anew"
        echo "$address"
        return
    fi
    : "${PORT:=$(free_port)}"
    ! port_open "$PORT" || die "something else listens on 127.0.0.1:$PORT; stop it or choose another port"
    address=git://127.0.0.1:$PORT
    # The program itself, not "git daemon": its process is the one to stop.
    service_start "$NAME" "$(git --exec-path)/git-daemon" --listen=127.0.0.1 --port="$PORT" --reuseaddr \
        --base-path="$DATA" --export-all --informative-errors --verbose
    if ! wait_for 30 port_open "$PORT"; then
        tail -n 20 "$STATE/$NAME.log" >&2
        service_stop "$NAME"
        die "git daemon did not answer in 30 s; the end of $STATE/$NAME.log is above"
    fi
    echo "$address" >"$DATA/address"
    say "git: $NAME started at $address; stop it with testkit/machine/git-server.sh stop ${NAME#git-}"
    echo "$address"
}

case "$COMMAND" in
start) start ;;
stop)
    if service_pid "$NAME" >/dev/null; then
        service_stop "$NAME"
        say "git: $NAME stopped"
    fi
    ;;
status) status || { say "git: $NAME does not run"; exit 1; } ;;
*) die "usage: git-server.sh start|stop|status [NAME [PORT]]" ;;
esac
