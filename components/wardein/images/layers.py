# SPDX-License-Identifier: Apache-2.0
"""Reading an image's layers to their ends without unpacking them: their sizes, digests and package records."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from wardein.errors import WardeinError
from wardein.images import tarball
from wardein.images.records import Overlay
from wardein.images.tarball import CHUNK

# Uncompressed, over all layers. The largest images of the machine-learning frameworks have some 20 GiB.
MAX_UNPACKED = 64 * 1024**3
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


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


def read_layer(path: Path, diff_id: str, number: int, limit: int, overlay: Overlay) -> int:
    """Read a layer to its end, compare its uncompressed sha256, and note its package records.

    Args:
        path: The layer as it is stored, gzipped or not.
        diff_id: What the configuration says its uncompressed sha256 is.
        number: Its place in the image, from the bottom up.
        limit: How many uncompressed bytes it may have.
        overlay: Where what matters in it is noted.

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
    with open_layer(path) as source:
        stream = Hashing(source, what, limit)
        try:
            _read_members(path, stream, overlay)  # type: ignore[arg-type]  # all that is asked of it is to read
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise WardeinError(f"is not a complete tar ({error})", where=what, mend="export the image again") from None
        while stream.read():
            pass
    found = "sha256:" + stream.hasher.hexdigest()
    if found != diff_id:
        raise WardeinError(
            f"is not the layer that the configuration lists: {found[:19]}… instead of {diff_id[:19]}…",
            where=what,
            mend="export or pull the image again, and find out who changed it",
        )
    return stream.size


def _read_members(path: Path, stream: IO[bytes], overlay: Overlay) -> None:
    for member, archive in tarball.members(stream):
        overlay.note(member, _reader(member, archive))
    wanted = overlay.first_names
    if wanted:
        # A record can be the second name of a file with any other; which one is known only at the layer's end.
        with open_layer(path) as again:
            for member, archive in tarball.members(again):
                if member.isreg() and tarball.place(member) in wanted:
                    overlay.note_first_name(member, _reader(member, archive))
    overlay.end_layer()


def _reader(member: tarfile.TarInfo, archive: tarfile.TarFile) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        file = archive.extractfile(member)
        return file.read(size) if file is not None else b""

    return read


def open_layer(path: Path) -> IO[bytes]:
    """A layer's tar, as it is stored: gzipped or not."""
    return gzip.open(path) if starts_with(path, GZIP) else open(path, "rb")  # type: ignore[return-value]


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic
