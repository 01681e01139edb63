#!/usr/bin/env python3
"""Checks that every message of the contract says what it is, and that every field shows an example.

A field needs "Example: ..." in the comment above it unless its type is a message of the contract, whose own fields
have examples. buf lint sees that the comments exist; this sees what they must hold.

usage: proto-examples.py FOLDER
"""

import pathlib
import re
import sys

PACKAGE = re.compile(r"^package\s+([\w.]+)\s*;")
OPENING = re.compile(r"^(message|enum|service|oneof)\s+(\w+)\s*\{\s*(\})?")
FIELD = re.compile(r"^(?:repeated\s+|optional\s+)?(map\s*<[^>]*>|\.?[\w.]+)\s+(\w+)\s*=\s*\d+\s*[;\[]")
EXAMPLE = re.compile(r"\bExample: \S")


class Block:
    def __init__(self, kind, name):
        self.kind, self.name = kind, name


def declarations(path):
    """Every message and field with its comment: (line, kind, full name, type, comment)."""
    package, blocks, comment = "", [], []
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.strip()
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        text, comment = " ".join(comment), []
        if found := PACKAGE.match(line):
            package = found[1]
        elif found := OPENING.match(line):
            if found[1] == "message":
                names = [b.name for b in blocks if b.kind == "message"] + [found[2]]
                yield number, "message", ".".join([package, *names]), None, text
            if not found[3]:
                blocks.append(Block(found[1], found[2]))
        elif line.startswith("}"):
            blocks.pop()
        elif blocks and blocks[-1].kind in ("message", "oneof") and (found := FIELD.match(line)):
            names = [b.name for b in blocks if b.kind == "message"] + [found[2]]
            yield number, "field", ".".join([package, *names]), found[1], text
        elif blocks and blocks[-1].kind in ("message", "oneof") and line and not line.startswith(("option ", "reserved ")):
            sys.exit(f"proto-examples: {path}:{number}: this line is not understood; a field goes on one line")


def main(folder):
    files = sorted(pathlib.Path(folder).rglob("*.proto"))
    all_of_them = [(path, *found) for path in files for found in declarations(path)]
    messages = {name.rsplit(".", 1)[1] for _, _, kind, name, _, _ in all_of_them if kind == "message"}
    fields = [found for found in all_of_them if found[2] == "field"]
    if not messages or not fields:
        sys.exit(f"proto-examples: no messages in {folder}")
    bad = 0
    for path, number, kind, name, of_type, comment in all_of_them:
        if not comment.split("Example:")[0].strip():
            print(f"{path}:{number}: {name} has no comment that says what it is", file=sys.stderr)
            bad += 1
        elif kind == "field" and of_type.rsplit(".", 1)[-1] not in messages and not EXAMPLE.search(comment):
            print(f"{path}:{number}: {name} ({of_type}) has no 'Example: …' in its comment", file=sys.stderr)
            bad += 1
    if bad:
        sys.exit(f"proto-examples: {bad} comments of the contract say too little")
    print(f"proto-examples: {len(messages)} messages and {len(fields)} fields are explained", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip().splitlines()[-1])
    main(sys.argv[1])
