#!/usr/bin/env bash
# Holds the protobuf contract to its rules with buf, which is installed under target/tools from the npm registry.
# usage: buf.sh install|lint|breaking
#   breaking  compares proto/ with the last commit, or, when proto/ is as committed, with the commit before it.
#             A commit that breaks the contract on purpose says so with a trailer "Breaking-Contract: WHY".
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

VERSION=1.75.0
TOOLS=$ROOT/target/tools/buf-$VERSION
BUF=$TOOLS/node_modules/.bin/buf

install() {
    [ ! -x "$BUF" ] || return 0
    command -v npm >/dev/null || die "there is no npm; run testkit/machine/install.sh test"
    say "buf: installing $VERSION under $TOOLS"
    rm -rf "$TOOLS"
    mkdir -p "$TOOLS"
    # The package's script only links the binary for speed; it works without.
    npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$TOOLS" "@bufbuild/buf@$VERSION" \
        </dev/null >&2
    "$BUF" --version >/dev/null
}

breaking() {
    local before old
    cd "$ROOT"
    if ! git rev-parse --quiet --verify 'HEAD^{commit}' >/dev/null; then
        say "buf: no commit to compare with"
        return
    fi
    before=HEAD
    if [ -z "$(git status --porcelain -- proto)" ]; then
        before=HEAD~1
        if ! git rev-parse --quiet --verify "$before^{commit}" >/dev/null; then
            say "buf: HEAD has no parent here; nothing to compare the contract with"
            return
        fi
    fi
    if [ -z "$(git ls-tree "$before" proto/reactor)" ]; then
        say "buf: $before has no contract; nothing to compare with"
        return
    fi
    old=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder's name is meant as it is now
    trap "rm -rf '$old'" EXIT
    git archive "$before" proto | tar -x -C "$old"
    if "$BUF" breaking proto --against "$old/proto"; then
        say "buf: the contract is compatible with $(git rev-parse --short "$before")"
        return
    fi
    if [ "$before" = HEAD~1 ] && [ -n "$(git log -1 --format='%(trailers:key=Breaking-Contract,valueonly)')" ]; then
        say "buf: the contract breaks with $(git rev-parse --short "$before"), and the commit says that it means to"
        return
    fi
    die "the contract breaks with $(git rev-parse --short "$before"); if that is meant, give the commit a trailer 'Breaking-Contract: WHY'"
}

case "${1:-}" in
install) install ;;
lint)
    install
    "$BUF" lint "$ROOT/proto"
    say "buf: lint is clean"
    ;;
breaking)
    install
    breaking
    ;;
*) die "usage: buf.sh install|lint|breaking" ;;
esac
