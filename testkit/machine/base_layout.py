#!/usr/bin/env python3
"""Writes an OCI image layout with one small base image for each given platform.

usage: base_layout.py DIRECTORY TAG ARCHITECTURE=BUSYBOX [ARCHITECTURE=BUSYBOX ...]

Each image is one layer: a static busybox, links for its usual commands, and the few files that a shell expects.
The same inputs give the same digests on the same machine: every time stamp is fixed and every list is sorted.
Layout and media types: OCI image specification 1.0.
"""

import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile

# Midnight of the day of the Debian release whose busybox is used; any fixed moment would do.
MOMENT = 1686355200
CREATED = "2023-06-10T00:00:00Z"

COMMANDS = """
    [ ash awk basename cat chgrp chmod chown cksum cmp comm cp cut date dd df diff dirname du echo ed egrep env expand
    expr false fgrep find fold grep gunzip gzip head hostname id install kill less link ln ls md5sum mkdir mkfifo mknod
    mktemp more mv nc nl nproc od paste patch pidof printf ps pwd readlink realpath rm rmdir sed seq sh sha1sum
    sha256sum sha512sum shuf sleep sort split stat strings stty sync tac tail tar tee test timeout touch tr true
    truncate tty uname uniq unlink unxz unzip usleep vi wc wget which whoami xargs xz xzcat yes zcat
""".split()

FILES = {
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/os-release": b'ID=reactor-base\nNAME="Reactor sample base"\nVERSION_ID=1\n',
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
}

FOLDERS = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "var": 0o755}

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def layer(busybox: bytes) -> bytes:
    """The file system as an uncompressed tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:

        def add(name: str, kind: bytes, mode: int, content: bytes = b"", target: str = "") -> None:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, mode, MOMENT
            entry.size, entry.linkname = len(content), target
            archive.addfile(entry, io.BytesIO(content))

        for name, mode in sorted(FOLDERS.items()):
            add(name, tarfile.DIRTYPE, mode)
        add("bin/busybox", tarfile.REGTYPE, 0o755, busybox)
        for name in sorted(COMMANDS):
            add(f"bin/{name}", tarfile.SYMTYPE, 0o777, target="busybox")
        add("usr/bin/env", tarfile.SYMTYPE, 0o777, target="../../bin/busybox")
        for name, content in sorted(FILES.items()):
            add(name, tarfile.REGTYPE, 0o644, content)
    return out.getvalue()


class Layout:
    """An OCI image layout directory."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        (directory / "blobs/sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, media_type: str, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (self.directory / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def json(self, media_type: str, value: dict) -> dict:
        return self.blob(media_type, json.dumps(value, separators=(",", ":"), sort_keys=True).encode())

    def image(self, architecture: str, busybox: bytes) -> dict:
        tar = layer(busybox)
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": CREATED,
            "config": {
                "Env": ["PATH=/usr/bin:/bin"],
                "Cmd": ["/bin/sh"],
                "Labels": {"name": "base", "version": "1"},
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
            "history": [{"created": CREATED, "created_by": "static busybox"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json(CONFIG, config),
            "layers": [self.blob(LAYER, gzip.compress(tar, 9, mtime=0))],
        }
        return self.json(MANIFEST, manifest) | {"platform": {"architecture": architecture, "os": "linux"}}

    def finish(self, tag: str, images: list) -> str:
        index = self.json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": images})
        named = index | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}
        (self.directory / "index.json").write_text(json.dumps(top, separators=(",", ":")))
        return index["digest"]


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    layout = Layout(pathlib.Path(sys.argv[1]))
    images = []
    for argument in sys.argv[3:]:
        architecture, path = argument.split("=", 1)
        images.append(layout.image(architecture, pathlib.Path(path).read_bytes()))
    print(layout.finish(sys.argv[2], images))


if __name__ == "__main__":
    main()
