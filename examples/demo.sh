#!/usr/bin/env bash
# The main job on a sample, from nothing: git commit in, one image for two architectures out, recorded in Koji. The
# Koji hub is a stand-in on loopback; the official command line shows what it knows in the end.
# usage: examples/demo.sh [--keep | --stop]
#   --keep  leave the engine, the registry, the git server, the hub and koji-bridge running, to go on by hand
#   --stop  stop what --keep left
# What is made lands in target/demo/hello, an OCI layout; everything else of the demo is under target/, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=testkit/machine/service.sh
. testkit/machine/service.sh
export PATH="$HOME/.cargo/bin:$PATH"

MACHINE=testkit/machine
DEMO=target/demo
BIN=${CARGO_TARGET_DIR:-target}/debug
KEEP=no
# Who started the engine that --keep left: a later run has to know it.
KEPT=$STATE/demo.engine
ENGINE=running

# Stops the demo's services, and the engine if the demo started it.
stop_services() {
    trap - EXIT
    rm -f "$KEPT"
    "$MACHINE/koji-bridge.sh" stop demo
    "$MACHINE/koji-hub.sh" stop demo
    "$MACHINE/git-server.sh" stop demo
    "$MACHINE/registry.sh" stop demo
    [ "$ENGINE" = running ] || "$MACHINE/engine.sh" stop
}

case "${1:-}" in
'') ;;
--keep) KEEP=yes ;;
--stop)
    [ ! -r "$KEPT" ] || ENGINE=$(<"$KEPT")
    stop_services
    exit 0
    ;;
*) die "usage: examples/demo.sh [--keep | --stop]" ;;
esac

step() { printf '\n== %s\n' "$*" >&2; }

trap 'exit 130' INT
trap 'exit 143' TERM
trap stop_services EXIT

step "What this machine lacks"
"$MACHINE/install.sh" run

step "Engine, and emulation of aarch64"
ENGINE=$("$MACHINE/engine.sh" start)
[ ! -r "$KEPT" ] || ENGINE=$(<"$KEPT")
"$MACHINE/emulation.sh" start x86_64 aarch64 >/dev/null

step "The programs (cargo build; the first time takes some minutes)"
cargo build --locked --workspace --bins

step "A stand-in Koji hub, koji-bridge in front of it, and Koji's official client"
HUB=$("$MACHINE/koji-hub.sh" start demo)
BRIDGE=$("$MACHINE/koji-bridge.sh" start demo)
KOJI=("$("$MACHINE/koji-client.sh")" --config "$("$MACHINE/koji-hub.sh" config demo)")
TARGET=f44-container-candidate

step "Base images in a registry, the sample in a git repository"
# The samples expect the registry at port 5005; where that is taken, another port and a build argument do.
PORT=5005
if ! "$MACHINE/registry.sh" status demo >/dev/null 2>&1 && port_open "$PORT"; then
    PORT=$(free_port)
fi
REGISTRY=$("$MACHINE/registry.sh" start demo "$PORT")
"$MACHINE/base-images.sh" "$REGISTRY"
GIT=$("$MACHINE/git-server.sh" start demo)

rm -rf "$DEMO"
mkdir -p "$DEMO"
{
    sed "s/127\.0\.0\.1:5005/$REGISTRY/" examples/site.yaml
    # With these, builds are reserved in Koji, recorded and tagged. No program but koji-bridge logs in there.
    printf 'koji:\n  hub_url: %s\n  root_url: %s\n  bridge: "%s"\n' "$HUB" "${HUB%/kojihub}/kojifiles" "$BRIDGE"
} >"$DEMO/site.yaml"
step "What the main job will do: the beginning of its plan"
REQUEST=("$GIT/hello.git" --ref main --target "$TARGET" --to "docker://$REGISTRY/hello" --to "oci:$DEMO/hello"
    --config "$DEMO/site.yaml" --build-arg "REGISTRY=$REGISTRY")
PLAN=("$BIN/orchestrator" plan "${REQUEST[@]}")
say "\$ ${PLAN[*]}"
"${PLAN[@]}" >"$DEMO/plan.txt"
sed -n '1,/^steps/p' "$DEMO/plan.txt" | head -n -1
say "the whole of it, with every step and the final Dockerfiles: $DEMO/plan.txt"

step "The main job: hello, for x86_64 and aarch64, recorded in Koji"
JOB=("$BIN/orchestrator" build "${REQUEST[@]}")
say "\$ ${JOB[*]}"
"${JOB[@]}"

# The digest that index.json names, and the tag to ask for it.
read -r DIGEST TAG < <(python3 - "$DEMO/hello/index.json" <<'PYTHON'
import json, sys
entry = json.load(open(sys.argv[1]))["manifests"][0]
print(entry["digest"], entry.get("annotations", {}).get("org.opencontainers.image.ref.name", ""))
PYTHON
)

step "Both members, run by the engine"
MEMBERS=(amd64 arm64)
if ! command -v docker >/dev/null; then
    say "there is no docker command line here; they are not run"
    MEMBERS=()
fi
for architecture in "${MEMBERS[@]}"; do
    image=reactor-demo:$architecture
    skopeo --insecure-policy copy --quiet --override-arch "$architecture" "oci:$DEMO/hello${TAG:+:$TAG}" \
        "docker-archive:$DEMO/$architecture.tar:$image"
    docker load --quiet --input "$DEMO/$architecture.tar" >/dev/null
    rm "$DEMO/$architecture.tar"
    ran=0
    docker run --rm --platform "linux/$architecture" "$image" "$architecture" || ran=$?
    docker rmi --force "$image" >/dev/null
    [ "$ran" -eq 0 ] || die "the member for $architecture ended with exit code $ran"
done

step "The build, as Koji's official command line shows it"
show() {
    say "\$ koji $*"
    "${KOJI[@]}" "$@"
}
NVR=$("${KOJI[@]}" latest-build --quiet "$TARGET" hello-container | cut -d ' ' -f 1)
[ -n "$NVR" ] || die "Koji has no build of hello-container in $TARGET"
show buildinfo "$NVR"
show list-tagged "$TARGET"

step "Stopping"
if [ "$KEEP" = yes ]; then
    trap - EXIT
    echo "$ENGINE" >"$KEPT"
    say "left running: the registry at $REGISTRY, the git server at $GIT, the hub at $HUB,"
    say "koji-bridge at $BRIDGE, the engine; stop what the demo started: ./examples/demo.sh --stop"
else
    stop_services
fi

step "Done"
cat <<END
index    $DIGEST
layout   $DEMO/hello${TAG:+ (tag $TAG)}
in Koji  $NVR
remains  target/; installed Debian packages; the engine's storage in /var/lib/docker;
         the kernel's emulation entries until the next start ($MACHINE/emulation.sh stop takes them back)
next     skopeo inspect --raw oci:$DEMO/hello${TAG:+:$TAG} | python3 -m json.tool
END
if [ "$KEEP" = yes ]; then
    echo "again    ${JOB[*]}"
    echo "         ${KOJI[*]} list-tagged $TARGET"
else
    echo "         ./examples/demo.sh --keep    the same, and leaves the services up for builds of your own"
fi
