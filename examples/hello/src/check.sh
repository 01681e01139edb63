#!/bin/sh
# Runs the program that is named and holds its output to what is expected.
set -eu

out=$("$1" tester)
case $out in
*"tester!"*"Built for $(uname -m), running on $(uname -m).") echo "check: ok" ;;
*)
    echo "check: unexpected output: $out" >&2
    exit 1
    ;;
esac
