# SPDX-License-Identifier: Apache-2.0
"""Small container images in pure Python, for the demo and the tests: OCI layouts and docker-archives.

layers = [base_layer({"bash": "5.2-1"}), tar(python_package("pillow", "9.0.0")), tar({"app/serve.py": b"print()"})]
write_layout(folder, layers, user="1000")
write_docker_archive(file, layers)
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

DEBIAN_RELEASE = 'PRETTY_NAME="Debian GNU/Linux {0}"\nNAME="Debian GNU/Linux"\nVERSION_ID="{0}"\nID=debian\n'


def sha256(data: bytes) -> str:
    """``sha256:`` and the hexadecimal digest, as OCI writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar with these files, without clocks or owners."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def dpkg_status(packages: Mapping[str, str]) -> bytes:
    """``/var/lib/dpkg/status`` for packages and their versions."""
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n"
        f"Version: {version}\nDescription: {name}\n\n"
        for name, version in packages.items()
    ).encode()


def python_package(name: str, version: str, root: str = "usr/local/lib/python3.11/site-packages") -> dict[str, bytes]:
    """The files by which an installed Python package is recognised."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return {f"{root}/{name}-{version}.dist-info/METADATA": metadata.encode()}


def base_layer(packages: Mapping[str, str] | None = None, *, debian: str = "12", release: str | None = None) -> bytes:
    """A layer that looks like a Debian base image with these packages, or with another ``os-release``."""
    return tar(
        {
            "etc/os-release": (DEBIAN_RELEASE.format(debian) if release is None else release).encode(),
            "etc/debian_version": f"{debian}.5\n".encode(),
            "var/lib/dpkg/status": dpkg_status({"bash": "5.2.15-2"} if packages is None else packages),
        }
    )


def config(layers: Sequence[bytes], *, user: str = "1000", healthcheck: bool = True, env: Iterable[str] = ()) -> bytes:
    """The image's configuration; ``layers`` are uncompressed tars."""
    settings: dict[str, Any] = {"User": user, "Env": ["PATH=/usr/bin:/bin", *env], "Cmd": ["python", "serve.py"]}
    if healthcheck:
        settings["Healthcheck"] = {"Test": ["CMD", "true"]}
    history = [
        {"created": "1970-01-01T00:00:00Z", "created_by": f"COPY layer{n} / # buildkit"} for n in range(len(layers))
    ]
    if user:
        history.append({"created_by": f"USER {user}", "empty_layer": True})
    if healthcheck:
        history.append(
            {"created_by": 'HEALTHCHECK &{["CMD" "true"] "0s" "0s" "0s" "0s" \'\\x00\'}', "empty_layer": True}
        )
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [sha256(content) for content in layers]},
            "history": history,
        }
    ).encode()


def write_layout(folder: Path, layers: Sequence[bytes], *, compress: bool = True, **settings: Any) -> str:
    """An OCI image layout; returns the manifest's digest."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = [gzip.compress(content, mtime=0) if compress else content for content in layers]
    image_config = config(layers, **settings)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(image_config, CONFIG_TYPE),
            "layers": [_descriptor(blob, LAYER_TYPE + ("+gzip" if compress else "")) for blob in stored],
        }
    ).encode()
    for blob in (image_config, manifest, *stored):
        write_blob(folder, blob)
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [_descriptor(manifest, MANIFEST_TYPE)]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return sha256(manifest)


def write_blob(folder: Path, content: bytes) -> Path:
    """One blob under its digest."""
    path = folder / "blobs" / "sha256" / sha256(content).removeprefix("sha256:")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def docker_archive(layers: Sequence[bytes], *, compress: bool = False, **settings: Any) -> dict[str, bytes]:
    """The members of a docker-archive, to be changed by a test before :func:`tar` makes the file."""
    image_config = config(layers, **settings)
    name = sha256(image_config).removeprefix("sha256:") + ".json"
    members = {
        f"{n}/layer.tar": gzip.compress(content, mtime=0) if compress else content for n, content in enumerate(layers)
    }
    manifest = [{"Config": name, "RepoTags": ["example/app:1"], "Layers": list(members)}]
    return {"manifest.json": json.dumps(manifest).encode(), name: image_config, **members}


def write_docker_archive(path: Path, layers: Sequence[bytes], **settings: Any) -> Path:
    """A docker-archive file, as ``docker save`` writes it."""
    path.write_bytes(tar(docker_archive(layers, **settings)))
    return path


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}
