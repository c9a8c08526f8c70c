# SPDX-License-Identifier: Apache-2.0
"""A vulnerability database out of a registry, by its digest: for places that mirror it, and for pinned pipelines."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from wardein import files
from wardein.errors import UsageError, WardeinError
from wardein.images import tarball
from wardein.images.identity import identify, shown
from wardein.images.layers import Hashing
from wardein.images.registry import open_reference
from wardein.jsontext import strict_loads

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# What a layer holds: the folder that it goes to, and the file of the database beside its metadata.json.
_LAYERS = {
    "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip": ("db", "trivy.db"),
    "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip": ("java-db", "trivy-java.db"),
}
_MAX_MANIFEST = 1024 * 1024
_MAX_PACKED, _MAX_UNPACKED = 4 * 1024**3, 16 * 1024**3


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Fetch a database into a folder, whole or not at all."""
    what = "the artifact with the database, as HOST/NAME@sha256:…; what ghcr.io/aquasecurity/trivy-db has, or a mirror"
    parser.add_argument("reference", metavar="REFERENCE", help=what)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where it goes; --database of the scans takes it")
    options = parser.parse_args(argv)
    name = fetch(options.reference, options.folder)
    from wardein.subject import digest_of

    print(f"{name} of {options.reference} is in {options.folder}")
    print(f"sha256:{digest_of(options.folder)}  the folder's digest, to be listed in a policy's inputs")
    return 0


def fetch(reference: str, folder: Path) -> str:
    """Pull a database and put it in place of an older one; returns the name of its folder.

    Raises:
        WardeinError: If the registry gives something else than the digest says, or it is no database.
    """
    if "@sha256:" not in reference or Path(reference).exists():
        mend = "write HOST/NAME@sha256:…; skopeo inspect docker://HOST/NAME:2 tells the digest of a tag"
        raise UsageError("is not a registry reference pinned by digest", where=shown(reference), mend=mend)
    opener = open_reference(reference)
    manifest = _manifest(opener, identify(reference))
    layer, (name, file) = _layer(manifest)
    digest = str(layer.get("digest")).removeprefix("sha256:")
    with files.landing(folder) as private:
        packed = private / "layer"
        with opener(f"blobs/sha256/{digest}") as source:
            _store(source, packed, digest)
        (private / name).mkdir()
        _unpack(packed, private / name, {file, "metadata.json"})
        _check(private, name)
        packed.unlink()
        target = folder / name
        if target.exists():
            target.rename(private / "replaced")
        os.rename(private / name, target)
    return name


def _manifest(opener: Any, digest: str) -> dict[str, Any]:
    with opener(f"blobs/sha256/{digest}") as source:
        content = source.read(_MAX_MANIFEST + 1)
    if len(content) > _MAX_MANIFEST or hashlib.sha256(content).hexdigest() != digest:
        raise WardeinError("is not what its digest says", where="the manifest", mend="find out who changed it")
    data = strict_loads(content, where="manifest")
    if not isinstance(data, dict) or data.get("mediaType", _MANIFEST) != _MANIFEST:
        raise WardeinError("is no OCI image manifest", where="the manifest")
    return data


def _layer(manifest: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, str]]:
    layers = manifest.get("layers")
    known = [item for item in layers if isinstance(item, dict)] if isinstance(layers, list) else []
    if len(known) != 1 or known[0].get("mediaType") not in _LAYERS:
        found = ", ".join(str(item.get("mediaType"))[:80] for item in known[:3]) or "no layer"
        raise WardeinError(f"holds {found}, not one layer with trivy's database", where="the manifest")
    return known[0], _LAYERS[str(known[0]["mediaType"])]


def _store(source: IO[bytes], target: Path, digest: str) -> None:
    stream = Hashing(source, "the database", _MAX_PACKED)
    with open(target, "wb") as file:
        while chunk := stream.read():
            file.write(chunk)
    if stream.hasher.hexdigest() != digest:
        raise WardeinError("is not what its digest says", where="the database", mend="find out who changed it")


def _unpack(packed: Path, folder: Path, expected: set[str]) -> None:
    """Unpack the files that a database is made of, and nothing else."""
    written: set[str] = set()
    try:
        with gzip.open(packed) as source:
            stream: Any = Hashing(source, "the database", _MAX_UNPACKED)  # type: ignore[arg-type]  # it reads bytes too
            for member, archive in tarball.members(stream):
                name = tarball.place(member)
                content = archive.extractfile(member) if member.isreg() else None
                if name not in expected - written or content is None:
                    raise WardeinError(f"holds {ascii(name)}, which belongs to no database", where="the database")
                written.add(name)
                with open(folder / name, "xb") as file:
                    while chunk := content.read(tarball.CHUNK):
                        file.write(chunk)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise WardeinError(f"cannot be unpacked ({error})", where="the database") from None
    if written != expected:
        raise WardeinError(f"lacks {', '.join(sorted(expected - written))}", where="the database")


def _check(folder: Path, name: str) -> None:
    """Look into it now, and not when the next release waits for a scan."""
    if name == "db":
        from wardein.tools.trivydb import read_database

        read_database(folder)
