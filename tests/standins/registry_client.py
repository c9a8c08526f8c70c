# SPDX-License-Identifier: Apache-2.0
"""A registry on this machine, and pushing to it: what an air-gapped site has as its mirror."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("docker-registry")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DATABASE = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
CONFIG = "application/vnd.aquasec.trivy.config.v1+json"


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run Debian's docker-registry with its data in a folder; gives its host and port."""
    assert PROGRAM is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'blobs'}}}}}\nhttp: {{addr: '{host}'}}\n"
    )
    with open(folder / "registry.log", "wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", settings], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def packed(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def push(host: str, name: str, layer: bytes, media_type: str = DATABASE, layers: int = 1) -> str:
    """Push an artifact of one layer; returns its reference by digest."""
    entry = {"mediaType": media_type, **_push_blob(host, name, layer)}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **_push_blob(host, name, b"{}")},
        "layers": [entry] * layers,
    }
    manifest = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    _send("PUT", f"http://{host}/v2/{name}/manifests/{digest}", manifest, MANIFEST)
    return f"{host}/{name}@{digest}"


def _push_blob(host: str, name: str, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    place = _send("POST", f"http://{host}/v2/{name}/blobs/uploads/", b"", "")
    mark = "&" if "?" in place else "?"
    _send("PUT", f"{place}{mark}digest={urllib.parse.quote(digest)}", content, "application/octet-stream")
    return {"digest": digest, "size": len(content)}


def _send(method: str, url: str, content: bytes, media_type: str) -> str:
    headers = {"Content-Type": media_type} if media_type else {}
    request = urllib.request.Request(url, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.headers.get("Location") or "")
