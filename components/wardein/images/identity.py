# SPDX-License-Identifier: Apache-2.0
"""Which image is meant: the digest that stands for an OCI layout, a docker-archive or a registry reference."""

from __future__ import annotations

import re
from pathlib import Path

from wardein.errors import WardeinError
from wardein.jsontext import MAX_BYTES, strict_loads
from wardein.subject import hash_file

# What :func:`identify` last said of each image, until somebody reads the image.
_said: dict[str, str] = {}

_REFERENCE = re.compile(r"[a-z0-9][\w.\-:/]*@sha256:([0-9a-f]{64})")


def identify(image: str) -> str:
    """The sha256 that identifies an image, which the next :func:`expected` of the same image will hold it to.

    Args:
        image: A folder with an OCI image layout (the digest is that of its one manifest), a docker-archive
            file (the sha256 of the file), or a registry reference pinned by digest (that digest).

    Raises:
        WardeinError: If it is none of these, or a reference without a digest, which could be another image tomorrow.
    """
    _said[str(image)] = digest = _digest(image)
    return digest


def expected(image: str) -> str:
    """The digest that an image must still have: what :func:`identify` said of it, else what it says now.

    Whoever runs a step identifies the image before and after it. The step gets a name only, behind which there can be
    another image in between; so the step compares what it reads with what was said, and not with a second look.
    """
    return _said.pop(str(image), "") or _digest(image)


def _digest(image: str) -> str:
    path = Path(image)
    if path.is_dir():
        return _layout_digest(path)
    if path.is_file():
        if path.stat().st_size == 0:
            raise WardeinError("is empty (0 bytes)", where=str(path), mend="export the image again")
        return hash_file(path).digest
    pinned = _REFERENCE.fullmatch(image)
    if pinned:
        return pinned[1]
    if path.suffix in (".tar", ".json") or image.startswith((".", "/")):
        raise WardeinError("does not exist", where=image, mend="check the path")
    raise WardeinError(
        "is neither a file, nor a folder, nor a registry reference pinned by digest",
        where=shown(image),
        mend="write registry references as name@sha256:…, without user or password",
    )


def shown(image: str) -> str:
    """A reference without what could be a credential: the user's part, and a query."""
    return re.sub(r"\?.*", "?…", re.sub(r"^(\w+://)?.+@(?!sha256:)", r"\1…@", image, flags=re.DOTALL))


def _layout_digest(folder: Path) -> str:
    index = folder / "index.json"
    if not index.is_file():
        raise WardeinError(
            "is a folder without index.json, not an OCI image layout",
            where=str(folder),
            mend="skopeo copy … oci:FOLDER makes one",
        )
    with open(index, "rb") as file:
        data = strict_loads(file.read(MAX_BYTES + 1), where="index.json")
    manifests = data.get("manifests") if isinstance(data, dict) else None
    if not isinstance(manifests, list) or len(manifests) != 1:
        raise WardeinError(
            "does not list exactly one manifest", where="index.json", mend="copy one image into a layout of its own"
        )
    digest = str(manifests[0].get("digest", "")) if isinstance(manifests[0], dict) else ""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise WardeinError(f"the manifest's digest {digest!r} is not a sha256", where="index.json")
    return digest.removeprefix("sha256:")
