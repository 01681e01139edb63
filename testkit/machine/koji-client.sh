#!/usr/bin/env bash
# Prints the path of the official Koji client's command line, which is installed with its library under target/tools.
# Beside it is the python3 that knows the library. All packages are fetched from PyPI at fixed versions and checked;
# none is compiled: the client's Kerberos part, which would need a compiler and Kerberos' headers, is left out.
# usage: koji-client.sh
set -euo pipefail
# shellcheck source=testkit/machine/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"

VERSION=1.36.1
TOOLS=$ROOT/target/tools/koji-$VERSION

# A virtual environment remembers where it is; one that was moved does not start.
works() { "$TOOLS/bin/koji" --help && "$TOOLS/bin/python3" -c 'import koji_cli.commands'; }

if ! works >/dev/null 2>&1; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || die "python3 has no venv; run testkit/machine/install.sh run"
    say "koji: installing the client $VERSION under $TOOLS"
    rm -rf "$TOOLS"
    mkdir -p "$(dirname "$TOOLS")"
    python3 -m venv "$TOOLS" </dev/null >&2
    cat >"$TOOLS/requirements.txt" <<PACKAGES
koji==$VERSION --hash=sha256:a6708ebe0bb552448de12f0d845e5ae55d414b7db012917bbafa028808549d7a
requests==2.34.2 --hash=sha256:2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0
urllib3==2.8.0 --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3
idna==3.20 --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c
certifi==2026.10.18 --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62
charset-normalizer==3.5.2 --hash=sha256:b6b751274acb69d77b3323d6b7dbaa3c7fdfc1eb829b7eb61d262f32e1af9685
python-dateutil==2.9.0.post0 --hash=sha256:a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427
six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
defusedxml==0.7.1 --hash=sha256:a352e7e428770286cc899e2542b6cdaedb2b4953ff269a210103ec58f6198a61
PACKAGES
    "$TOOLS/bin/python3" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$TOOLS/requirements.txt" </dev/null >&2
    works >/dev/null || die "$TOOLS/bin/koji does not start"
fi
echo "$TOOLS/bin/koji"
