#!/usr/bin/env bash
# Passes all the tests: style, lints, the contract, dependencies, unit and integration tests with the real engine and
# the real registry, the official Koji client, and every command of docs/grpcurl.md. Installs what is missing, stops what it started.
# usage: testkit/test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=testkit/machine/service.sh
. testkit/machine/service.sh
export PATH="$HOME/.cargo/bin:$PATH"

MACHINE=testkit/machine
ENGINE=running

stop_services() {
    trap - EXIT
    "$MACHINE/git-server.sh" stop test
    "$MACHINE/registry.sh" clean test
    [ "$ENGINE" = running ] || "$MACHINE/engine.sh" stop
}

step() { printf '\n== %s (after %d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)) >&2; }

trap 'exit 130' INT
trap 'exit 143' TERM
trap stop_services EXIT

step "What this machine lacks"
"$MACHINE/install.sh" test

step "Format"
cargo fmt --all --check

step "Scripts"
for script in $(git ls-files '*.sh' .ci/run); do
    bash -n "$script"
done
if command -v shellcheck >/dev/null; then
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x
else
    say "shellcheck is not installed; only the syntax of the scripts was checked"
fi

step "Contract"
"$MACHINE/buf.sh" lint
"$MACHINE/proto-examples.py" proto
"$MACHINE/buf.sh" breaking

step "Dependencies"
if command -v cargo-deny >/dev/null; then
    cargo deny --locked --offline check bans licenses sources
else
    say "cargo-deny is not installed; dependencies and licences were not checked"
fi

step "Lints"
cargo clippy --locked --workspace --all-targets -- -D warnings

step "Engine, emulation, registry, git, the official Koji client"
ENGINE=$("$MACHINE/engine.sh" start)
"$MACHINE/emulation.sh" start x86_64 aarch64 >/dev/null
# Tests find a registry that has the base images, and the samples, under these names.
TESTKIT_REGISTRY=$("$MACHINE/registry.sh" start test)
"$MACHINE/base-images.sh" "$TESTKIT_REGISTRY"
TESTKIT_GIT=$("$MACHINE/git-server.sh" start test)
# They start stand-in hubs of their own, and hold them against this client.
TESTKIT_KOJI=$("$MACHINE/koji-client.sh")
export TESTKIT_REGISTRY TESTKIT_GIT TESTKIT_KOJI

# The programs first: tests start them from beside the test binaries.
step "Programs"
cargo build --locked --workspace --bins

step "Cookbook"
testkit/cookbook.sh

step "Tests"
cargo test --locked --workspace --no-fail-fast -- --include-ignored </dev/null

step "Stopping"
stop_services
step "All passed"
