# shellcheck shell=bash
# Shared by the scripts of this folder: where state is kept, how they speak, and how a background process is
# started so that it outlives the shell, found again, and stopped by its own process id. To be sourced.

# The work tree's root, and the folder for process ids, logs and data. Nothing is written outside of it.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STATE="${MACHINE_STATE:-$ROOT/target/machine}"

# Exit code for "something must be installed by hand"; the caller sees a list.
# shellcheck disable=SC2034  # used by the scripts that source this file
EXIT_MISSING=4

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Runs a command as root: directly, or through sudo where that needs no password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# True if as_root can work.
can_be_root() {
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

# service_pid NAME: prints the process id of a service started from here that still runs; fails if there is none.
# The start time is compared, so that a process id given anew to a stranger is never taken for ours.
service_pid() {
    local pid started
    [ -r "$STATE/$1.pid" ] || return 1
    read -r pid started <"$STATE/$1.pid" || return 1
    [ "$(process_start "$pid")" = "$started" ] || return 1
    echo "$pid"
}

# When a process started, in clock ticks since boot (proc(5), field 22); empty if there is none.
process_start() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    # The command name, field 2, may hold spaces: cut up to its closing bracket.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    [ "$1" = Z ] || echo "${20}"
}

# service_start NAME COMMAND…: starts COMMAND in a session of its own, output to NAME.log, id to NAME.pid.
service_start() {
    local name=$1 pid
    shift
    mkdir -p "$STATE"
    setsid nohup "$@" </dev/null >"$STATE/$name.log" 2>&1 &
    pid=$!
    echo "$pid $(process_start "$pid")" >"$STATE/$name.pid"
}

# service_stop NAME [SECONDS]: asks the service to end, waits, and kills it when it does not.
service_stop() {
    local name=$1 seconds=${2:-20} pid
    if pid=$(service_pid "$name"); then
        signal TERM "$pid"
        if ! wait_for "$seconds" service_gone "$name"; then
            say "$name (process $pid) did not end in $seconds s; killing it"
            signal KILL "$pid"
            wait_for 10 service_gone "$name" || die "$name (process $pid) cannot be stopped"
        fi
    fi
    rm -f "$STATE/$name.pid"
}

# Signals a process of ours, or one that was started through sudo.
signal() { kill -"$1" "$2" 2>/dev/null || as_root kill -"$1" "$2" 2>/dev/null || true; }

service_gone() { ! service_pid "$1" >/dev/null; }

# wait_for SECONDS COMMAND…: tries COMMAND five times a second until it succeeds or the time is over.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# workspace_program NAME: prints the path of a program of the workspace, as cargo built it for tests.
workspace_program() {
    local program
    program=$(cd "$ROOT" && realpath -m "${CARGO_TARGET_DIR:-target}/debug/$1")
    [ -x "$program" ] || die "$program is missing; run cargo build --workspace --bins"
    echo "$program"
}

# free_port: prints a loopback TCP port that nothing listens on now.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# port_open PORT: true if something listens there on loopback.
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
