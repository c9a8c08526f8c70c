# SPDX-License-Identifier: Apache-2.0
"""A private copy of an image in which every byte is what the image's digests say.

Scanners read images without checking their digests, and archives so that two readers can see two things. So a
scanner gets a copy: an OCI layout in a folder of this process, written blob by blob under the digest that was
computed while writing, whatever the image came as. An archive is first copied as a whole, hashed on the way, and
read from there, so that nobody can exchange it in between. Layers are read through once more to compare them with
the configuration's ``diff_ids`` and to note the files that describe installed packages; none is ever unpacked.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from wardein.errors import WardeinError
from wardein.images.identity import expected
from wardein.images.layers import GZIP, MAX_UNPACKED, Hashing, read_layer, starts_with
from wardein.images.records import Overlay, Record
from wardein.images.tarball import CHUNK, Header, check_end
from wardein.jsontext import MAX_BYTES, strict_loads

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LAYER_TYPE = re.compile(
    r"application/vnd\.(oci\.image\.layer(\.nondistributable)?\.v1\.tar(\+gzip|\+zstd)?"
    r"|docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?)"
)
_MOST_LAYERS = 500  # docker runs images of up to 127
# Opens one of an image's files by the name that its manifest gives it; for a copy in progress.
Opener = Callable[[str], IO[bytes]]


@dataclass(frozen=True)
class VerifiedImage:
    """An image whose content was compared with its digests.

    Attributes:
        layout: The private folder with its OCI layout.
        digest: What identifies the image that was given (:func:`wardein.images.identity.identify`).
        config_digest: The sha256 of its configuration.
        config: Its configuration, as the container runtime will read it.
        diff_ids: The sha256 of each uncompressed layer, from the bottom up.
        records: The files of the topmost view that describe installed packages.
        releases: The distributions, with their versions, that any layer says it is of.
        tags: The names that an archive or layout gives it, which can be those of another image tomorrow.
    """

    layout: Path
    digest: str
    config_digest: str
    config: Mapping[str, Any]
    diff_ids: tuple[str, ...]
    records: tuple[Record, ...]
    releases: frozenset[tuple[str, str]]
    tags: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Record, ...]:
        """The records of one kind."""
        return tuple(record for record in self.records if record.kind == kind)


@contextmanager
def verified_copy(image: str) -> Iterator[VerifiedImage]:
    """Copy an image and verify it on the way; the copy is gone when the context ends.

    Args:
        image: An OCI layout folder, a docker-archive or OCI archive file, or a reference pinned by digest.

    Raises:
        WardeinError: If anything in it is missing, truncated, damaged, larger than can be examined, is not what its
            digest says, or is another image than the one that was identified.
    """
    with tempfile.TemporaryDirectory(prefix="wardein-image-") as folder:
        private = Path(folder)
        digest = expected(image)
        try:
            yield _copy(image, digest, private)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise WardeinError(
                f"is damaged or truncated ({str(error)[:160]})", where=image, mend="export the image again"
            ) from None


def _copy(image: str, digest: str, private: Path) -> VerifiedImage:
    path = Path(image)
    copy = _Layout(private / "image")
    if path.is_dir():
        return copy.of_manifest(digest, digest, _from_folder(path))
    if not path.is_file():
        from wardein.images.registry import open_reference

        return copy.of_manifest(digest, digest, open_reference(image))
    path = _taken(path, private / "archive", digest)
    if starts_with(path, GZIP):
        path = _unzipped(path, private / "archive.tar")
    with tarfile.open(path, mode="r:", tarinfo=Header, encoding="utf-8", errors="surrogateescape") as archive:
        members = _members(archive)
        opener = _from_archive(archive, members)
        if "manifest.json" in members:
            return copy.of_docker_archive(digest, opener, members)
        if "index.json" in members:
            return copy.of_manifest(digest, _only_manifest(_small(opener("index.json"), "index.json")), opener)
    raise WardeinError(
        "is a tar without manifest.json or index.json, not an image",
        where=image,
        mend="docker save or skopeo copy makes one",
    )


class _Layout:
    """The copy in the making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="ascii")

    def of_manifest(self, digest: str, manifest_digest: str, opener: Opener) -> VerifiedImage:
        """From what has a manifest: a layout, an OCI archive, a registry."""
        manifest_file = self._store(opener(_blob(manifest_digest)), manifest_digest, "the manifest", MAX_BYTES)
        manifest = _mapping(strict_loads(manifest_file.read_bytes(), where="manifest"), "the manifest")
        media_type = str(manifest.get("mediaType") or MANIFEST_TYPES[0])
        if "manifests" in manifest or media_type not in MANIFEST_TYPES:
            raise WardeinError(
                "stands for several platforms or for something that is no image",
                where=f"sha256:{manifest_digest[:12]}…",
                mend="give the digest of one platform's image manifest",
            )
        config_digest = _descriptor(manifest.get("config"), "the configuration")
        layers = manifest.get("layers")
        for layer in layers if isinstance(layers, list) else []:
            if not _LAYER_TYPE.fullmatch(str(_mapping(layer, "a layer").get("mediaType"))):
                raise WardeinError(
                    f"a layer is of the type {layer.get('mediaType')!r}, not a file system", where="manifest"
                )
        layer_digests = [_descriptor(layer, "a layer") for layer in layers] if isinstance(layers, list) else []
        self._store(opener(_blob(config_digest)), config_digest, "the configuration", MAX_BYTES)
        for number, layer_digest in enumerate(layer_digests):
            if not (self.blobs / layer_digest).exists():
                self._store(opener(_blob(layer_digest)), layer_digest, f"layer {number}", MAX_UNPACKED)
        return self._finish(digest, manifest_digest, media_type, config_digest, layer_digests)

    def of_docker_archive(self, digest: str, opener: Opener, names: Container[str]) -> VerifiedImage:
        """From an archive that names a configuration and layers; its digests are the configuration's diff_ids.

        Some programs read the OCI index beside it instead, so there must be none that means something else.
        """
        data = strict_loads(_small(opener("manifest.json"), "manifest.json"), where="manifest.json")
        if not isinstance(data, list) or len(data) != 1:
            raise WardeinError(
                "does not list exactly one image", where="manifest.json", mend="save one image per archive"
            )
        entry = _mapping(data[0], "manifest.json")
        listed = entry.get("Layers")
        if not isinstance(listed, list):
            raise WardeinError("lists no layers", where="manifest.json")
        config = self._store(opener(str(entry.get("Config"))), "", "the configuration", MAX_BYTES)
        stored: dict[str, Path] = {}  # a layer that is listed many times, as empty ones are, is copied once
        for n, name in enumerate(map(str, listed)):
            if name not in stored:
                stored[name] = self._store(opener(name), "", f"layer {n}", MAX_UNPACKED)
        layers = [stored[str(name)] for name in listed]
        if "index.json" in names:
            self._compare_with_index(opener, names, [config.name, *(layer.name for layer in layers)])
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES[0],
            "config": _describe(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_describe(layer, _layer_type(layer)) for layer in layers],
        }
        content = json.dumps(manifest).encode()
        manifest_digest = hashlib.sha256(content).hexdigest()
        (self.blobs / manifest_digest).write_bytes(content)
        done = self._finish(digest, manifest_digest, MANIFEST_TYPES[0], config.name, [layer.name for layer in layers])
        tags = entry.get("RepoTags")
        return replace(done, tags=tuple(map(str, tags)) if isinstance(tags, list) else ())

    def _compare_with_index(self, opener: Opener, names: Container[str], blobs: Sequence[str]) -> None:
        """Refuse an archive whose index leads to other blobs, or to blobs that are not what their digests say."""
        for number, manifest_digest in enumerate(_images_of(opener, names)):
            manifest = _mapping(_verified(opener, manifest_digest), "the manifest")
            layers = manifest.get("layers")
            parts = [manifest.get("config"), *(layers if isinstance(layers, list) else [])]
            if "manifests" in manifest or [_descriptor(part, "a blob") for part in parts] != list(blobs):
                raise WardeinError(
                    "describe two images, and what is run depends on who reads the archive",
                    where="manifest.json and index.json",
                    mend="skopeo copy docker-archive:FILE oci:FOLDER keeps the one of manifest.json",
                )
            for blob in blobs if number == 0 else ():
                self._store(opener(_blob(blob)), blob, "a blob of index.json", MAX_UNPACKED)

    def _store(self, source: IO[bytes], digest: str, what: str, limit: int) -> Path:
        """Copy one blob, hash what is written, and keep it under its digest if that is the one it must have."""
        hasher, size, temporary = hashlib.sha256(), 0, self.blobs / "incoming"
        with source, open(temporary, "wb") as target:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise WardeinError(f"is larger than {limit} bytes", where=what)
                hasher.update(chunk)
                target.write(chunk)
        found = hasher.hexdigest()
        if digest and found != digest:
            raise WardeinError(
                f"is not what its digest says: sha256:{found[:12]}… instead of sha256:{digest[:12]}…",
                where=what,
                mend="export or pull the image again, and find out who changed it",
            )
        return temporary.rename(self.blobs / found)

    def _finish(
        self, digest: str, manifest_digest: str, media_type: str, config_digest: str, layers: list[str]
    ) -> VerifiedImage:
        config = _mapping(
            strict_loads((self.blobs / config_digest).read_bytes(), where="configuration"), "the configuration"
        )
        diff_ids = _mapping(config.get("rootfs"), "the configuration's rootfs").get("diff_ids")
        if config.get("os") != "linux" or not isinstance(diff_ids, list):
            raise WardeinError(
                f"is for {config.get('os')!r}, or lists no layers; only Linux images can be examined",
                where="the configuration",
            )
        if len(diff_ids) != len(layers):
            raise WardeinError(f"lists {len(diff_ids)} layers, the manifest {len(layers)}", where="the configuration")
        if len(layers) > _MOST_LAYERS:
            raise WardeinError(f"lists more than {_MOST_LAYERS} layers", where="the configuration")
        if not diff_ids:
            raise WardeinError("lists no layer, so there is nothing to examine", where="the configuration")
        overlay = Overlay()
        left = MAX_UNPACKED
        for number, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True)):
            left -= read_layer(self.blobs / layer, str(diff_id), number, left, overlay)
        entry = _describe(self.blobs / manifest_digest, media_type)
        (self.folder / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [entry]}), encoding="ascii"
        )
        return VerifiedImage(
            layout=self.folder,
            digest=digest,
            config_digest=config_digest,
            config=config,
            diff_ids=tuple(map(str, diff_ids)),
            records=overlay.records(),
            releases=frozenset(overlay.releases),
        )


def _from_folder(folder: Path) -> Opener:
    def opener(name: str) -> IO[bytes]:
        try:
            return open(os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError as error:
            raise WardeinError(
                f"cannot be opened ({error.strerror})", where=name, mend="copy the image again"
            ) from None

    return opener


def _taken(path: Path, target: Path, digest: str) -> Path:
    """A copy of an archive that nobody else can write to, hashed while it is written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise WardeinError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    with open(descriptor, "rb") as file, open(target, "wb") as out:
        source = Hashing(file, path.name, MAX_UNPACKED)
        shutil.copyfileobj(source, out, CHUNK)  # type: ignore[misc]
    if source.hasher.hexdigest() != digest:
        raise WardeinError(
            "was changed while it was examined", where=str(path), mend="run again on a file that nobody writes to"
        )
    return target


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The members by their names, of which each reader of archives must make the same file."""
    found: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        name = member.name.removeprefix("./").removesuffix("/") or "."
        if name.startswith("/") or name != os.path.normpath(name) or ".." in name.split("/"):
            raise WardeinError(
                "is a name that readers take for different files",
                where=ascii(member.name[:100]),
                mend="export the image again",
            )
        if name in found and not (member.isdir() and found[name].isdir()):
            raise WardeinError("appears twice, so that two readers could see two images", where=ascii(name))
        found[name] = member
    if archive.fileobj is not None:
        archive.fileobj.seek(archive.offset)
        check_end(archive.fileobj)  # type: ignore[arg-type]  # an open file
    return found


def _from_archive(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> Opener:
    def opener(name: str) -> IO[bytes]:
        member = members.get(os.path.normpath(name))
        if member is None:
            raise WardeinError("is missing from the archive", where=ascii(name), mend="export the image again")
        source = archive.extractfile(member) if member.isreg() else None
        if source is None:
            raise WardeinError(
                "is a link or a special file in the archive",
                where=ascii(name),
                mend="skopeo copy docker-archive:FILE oci:FOLDER makes an image without links",
            )
        return source

    return opener


def _unzipped(path: Path, target: Path) -> Path:
    with gzip.open(path) as source, open(target, "wb") as out:
        shutil.copyfileobj(Hashing(source, path.name, MAX_UNPACKED), out, CHUNK)  # type: ignore[arg-type]
    return target


def _small(source: IO[bytes], what: str) -> bytes:
    with source:
        content = source.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=what)
    return content


def _only_manifest(index: bytes) -> str:
    manifests = _mapping(strict_loads(index, where="index.json"), "index.json").get("manifests")
    if not isinstance(manifests, list) or len(manifests) != 1:
        raise WardeinError("does not list exactly one manifest", where="index.json", mend="save one image per archive")
    return _descriptor(manifests[0], "the manifest")


def _verified(opener: Opener, digest: str) -> Any:
    """The JSON of a blob, which is what its digest says."""
    content = _small(opener(_blob(digest)), "a manifest")
    if hashlib.sha256(content).hexdigest() != digest:
        raise WardeinError("is not what its digest says", where=f"sha256:{digest[:12]}…", mend="export the image again")
    return strict_loads(content, where="manifest")


def _images_of(opener: Opener, names: Container[str]) -> list[str]:
    """The manifests that a reader of an archive's index could take: its only one, or those of its only index.

    Docker saves an index of all platforms with the blobs of one, and statements about the image's origin, which are
    for the platform unknown/unknown and never run.
    """
    only = _only_manifest(_small(opener("index.json"), "index.json"))
    inner = _mapping(_verified(opener, only), "the manifest").get("manifests")
    if not isinstance(inner, list):
        return [only]
    nobody = {"architecture": "unknown", "os": "unknown"}
    candidates = [
        _descriptor(item, "a manifest") for item in inner if _mapping(item, "a manifest").get("platform") != nobody
    ]
    present = [digest for digest in candidates if _blob(digest) in names]
    if not present:
        raise WardeinError("leads to no image in the archive", where="index.json", mend="export the image again")
    return present


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WardeinError("is not a JSON object", where=what)
    return value


def _descriptor(value: Any, what: str) -> str:
    """The hexadecimal sha256 of an OCI descriptor."""
    digest = str(_mapping(value, what).get("digest"))
    if not _DIGEST.fullmatch(digest):
        raise WardeinError(f"its digest {digest[:80]!r} is not a sha256", where=what)
    return digest.removeprefix("sha256:")


def _describe(blob: Path, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{blob.name}", "size": blob.stat().st_size}


def _layer_type(layer: Path) -> str:
    return "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if starts_with(layer, GZIP) else "")


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"
