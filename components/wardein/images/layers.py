# SPDX-License-Identifier: Apache-2.0
"""Reading an image's layers to their ends without unpacking them: their sizes, digests and package records."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import tarfile
import zlib
from pathlib import Path
from typing import IO

from wardein.errors import WardeinError

# Uncompressed, over all layers. The largest images of the machine-learning frameworks have some 20 GiB.
MAX_UNPACKED = 64 * 1024**3
CHUNK = 1024 * 1024
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# The files by which an installed package is known. Those in Debian's dist-packages belong to packages of the
# distribution, which are looked up as such. A package.json elsewhere than at the root of an installed package is none.
_RECORD = re.compile(
    r"(?P<python>(?!usr/lib/python3/dist-packages/).*\.(dist-info/METADATA|egg-info/PKG-INFO))"
    r"|(?P<node>(.*/)?node_modules/(@[^/]+/)?[^/@.][^/]*/package\.json)"
    r"|(?P<conda>(.*/)?conda-meta/[^/]+\.json)"
    r"|(?P<os>var/lib/dpkg/status(\.d/.+)?|(usr/)?lib/apk/db/installed|(usr/lib/sysimage|var/lib)/rpm/(Packages|rpmdb.*))"
)


class Hashing:
    """A stream that hashes and counts what is read from it, up to a limit."""

    def __init__(self, source: IO[bytes], what: str, limit: int) -> None:
        self.source, self.what, self.limit = source, what, limit
        self.hasher, self.size = hashlib.sha256(), 0

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes, fewer at the end."""
        chunk = self.source.read(size)
        self.size += len(chunk)
        if self.size > self.limit:
            raise WardeinError(f"the layers unpack to more than {MAX_UNPACKED} bytes", where=self.what)
        self.hasher.update(chunk)
        return chunk


def read_layer(path: Path, diff_id: str, number: int, limit: int, records: Records) -> int:
    """Read a layer to its end, compare its uncompressed sha256, and note its package records.

    Args:
        path: The layer as it is stored, gzipped or not.
        diff_id: What the configuration says its uncompressed sha256 is.
        number: Its place in the image, from the bottom up.
        limit: How many uncompressed bytes it may have.
        records: Where its records are noted.

    Returns:
        Its uncompressed size.

    Raises:
        WardeinError: If it is not a complete tar, too large, or not the layer that the configuration lists.
    """
    what = f"layer {number}"
    if starts_with(path, ZSTD):
        raise WardeinError(
            "is compressed with zstd, which cannot be verified here",
            where=what,
            mend="skopeo copy --dest-compress-format gzip … oci:FOLDER makes one that can",
        )
    with gzip.open(path) if starts_with(path, GZIP) else open(path, "rb") as source:
        stream = Hashing(source, what, limit)  # type: ignore[arg-type]  # GzipFile reads bytes as well
        try:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as archive:  # type: ignore[call-overload]
                for member in archive:
                    archive.members = []  # type: ignore[attr-defined]  # or it would keep every one of them
                    records.note(member)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise WardeinError(f"is not a complete tar ({error})", where=what, mend="export the image again") from None
        while stream.read():
            pass
    records.end_layer()
    found = "sha256:" + stream.hasher.hexdigest()
    if found != diff_id:
        raise WardeinError(
            f"is not the layer that the configuration lists: {found[:19]}… instead of {diff_id[:19]}…",
            where=what,
            mend="export or pull the image again, and find out who changed it",
        )
    return stream.size


class Records:
    """The files that describe installed packages, as the layers, each over the one below, leave them."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {"python": set(), "node": set(), "conda": set(), "os": set()}
        self._added: list[tuple[str, str]] = []
        self._hidden: list[str] = []

    def note(self, member: tarfile.TarInfo) -> None:
        """Take one member of the layer that is being read."""
        path = os.path.normpath(member.name).lstrip("/")
        parent, _, base = path.rpartition("/")
        if base == ".wh..wh..opq":
            self._hidden.append(parent)
        elif base.startswith(".wh."):
            self._hidden.append(f"{parent}/{base[4:]}".lstrip("/"))
        elif not member.isdir() and (match := _RECORD.fullmatch(path)):
            self._added.append((str(match.lastgroup), path))

    def end_layer(self) -> None:
        """Whiteouts hide what lower layers brought, never what their own layer brings."""
        for hidden in self._hidden:
            below = f"{hidden}/" if hidden else ""
            for kind, paths in self.found.items():
                self.found[kind] = {path for path in paths if path != hidden and not path.startswith(below)}
        for kind, path in self._added:
            self.found[kind].add(path)
        self._added, self._hidden = [], []


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic
