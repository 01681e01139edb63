#!/usr/bin/env bash
# Executes every ```sh block of docs/grpcurl.md, in order and in one shell, against a running orchestrator with a
# worker for x86_64 and one for aarch64, and a koji-bridge in front of a stand-in hub. Stops at the first command that fails. The programs must have been built.
# usage: testkit/cookbook.sh [PAGE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=testkit/machine/service.sh
. testkit/machine/service.sh

PAGE=${1:-docs/grpcurl.md}
MACHINE=testkit/machine
BIN=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)
ENGINE=running
WORK=$STATE/cookbook

stop_services() {
    local code=$?
    trap - EXIT
    for name in x86_64 aarch64; do
        service_stop "cookbook-worker-$name" 30
    done
    service_stop cookbook-orchestrator 30
    "$MACHINE/koji-bridge.sh" clean cookbook
    "$MACHINE/koji-hub.sh" clean cookbook
    "$MACHINE/git-server.sh" stop cookbook
    "$MACHINE/registry.sh" clean cookbook
    [ "$ENGINE" = running ] || "$MACHINE/engine.sh" stop
    if [ "$code" -ne 0 ]; then
        for name in cookbook-orchestrator cookbook-worker-x86_64 cookbook-worker-aarch64 koji-bridge-cookbook; do
            [ ! -e "$STATE/$name.log" ] || {
                say "== end of $STATE/$name.log"
                tail -n 30 "$STATE/$name.log" >&2
            }
        done
        say "cookbook: failed"
    fi
    exit "$code"
}

for program in orchestrator worker koji-bridge koji-hub-sim; do
    [ -x "$BIN/$program" ] || die "$BIN/$program is missing; run cargo build --bins"
done
GRPCURL=$("$MACHINE/grpcurl.sh")

trap 'exit 130' INT
trap 'exit 143' TERM
trap stop_services EXIT

ENGINE=$("$MACHINE/engine.sh" start)
"$MACHINE/emulation.sh" start x86_64 aarch64 >/dev/null
REGISTRY=$("$MACHINE/registry.sh" start cookbook)
"$MACHINE/base-images.sh" "$REGISTRY"
GIT=$("$MACHINE/git-server.sh" start cookbook)
# What an earlier run recorded would be in the way.
"$MACHINE/koji-hub.sh" clean cookbook
"$MACHINE/koji-hub.sh" start cookbook >/dev/null
BRIDGE=$("$MACHINE/koji-bridge.sh" start cookbook "$(free_port)")
KOJI=$("$MACHINE/koji-client.sh")
KOJI_CONFIG=$("$MACHINE/koji-hub.sh" config cookbook)

rm -rf "$WORK"
mkdir -p "$WORK"
{
    sed "s/127\.0\.0\.1:5005/$REGISTRY/" examples/site.yaml
    printf 'publication:\n  layout_root: "%s"\n' "$WORK/layouts"
} >"$WORK/site.yaml"
SERVER=127.0.0.1:$(free_port)
say "cookbook: orchestrator at $SERVER, logs in $STATE/cookbook-*.log"
service_start cookbook-orchestrator "$BIN/orchestrator" serve --listen "$SERVER" --config "$WORK/site.yaml" \
    --state "$WORK/state"
wait_for 30 "$GRPCURL" -plaintext -max-time 5 "$SERVER" list || die "the orchestrator did not answer in 30 s"
for name in x86_64 aarch64; do
    service_start "cookbook-worker-$name" "$BIN/worker" --orchestrator "http://$SERVER" --platform "$name" \
        --scratch-dir "$WORK/scratch"
done
attached() {
    local count
    count=$("$GRPCURL" -plaintext -max-time 5 "$SERVER" reactor.v1.WorkerService/ListWorkers |
        python3 -c 'import json, sys; print(len(json.load(sys.stdin).get("workers", [])))')
    [ "$count" = 2 ]
}
wait_for 30 attached || die "the two workers did not attach in 30 s"

# The page's blocks as one script that says which heading it is at.
python3 - "$PAGE" >"$WORK/blocks.sh" <<'PYTHON'
import shlex, sys
inside = block = False
for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    if line.startswith("```"):
        if not inside and line.strip() == "```sh":
            block = True
            print(f"printf '\\n-- line {number}\\n' >&2")
        elif inside:
            block = False
        inside = not inside
    elif block:
        sys.stdout.write(line)
    elif not inside and line.startswith("#"):
        print("printf '\\n== %s\\n' " + shlex.quote(line.lstrip("#").strip()) + " >&2")
if inside:
    sys.exit(f"{sys.argv[1]}: the last block is not closed")
PYTHON
[ "$(grep -c '^printf .*-- line' "$WORK/blocks.sh")" -gt 0 ] || die "$PAGE has no sh blocks"

env SERVER="$SERVER" GIT="$GIT" REGISTRY="$REGISTRY" \
    BRIDGE="$BRIDGE" KOJI="$KOJI" KOJI_CONFIG="$KOJI_CONFIG" PATH="$(dirname "$GRPCURL"):$PATH" \
    timeout --foreground --kill-after=10 900 bash -euo pipefail "$WORK/blocks.sh" </dev/null
say "cookbook: every block of $PAGE ran"
