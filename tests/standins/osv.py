# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a server that speaks OSV's protocol (``POST /v1/query``). It proves nothing about osv.dev itself.

It answers from a list of advisories, by a plain reading of their ranges that shares no code with wardein's matcher,
and misbehaves on request.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.version import Version

# What every real collection has, and wardein asks for to see that the server knows anything.
CANARY: dict[str, Any] = {
    "id": "PYSEC-2014-8",
    "schema_version": "1.6.0",
    "modified": "2024-01-01T00:00:00Z",
    "published": "2014-05-19T14:55:00Z",
    "aliases": ["CVE-2014-1402"],
    "details": "The default configuration for bccache.FileSystemBytecodeCache does not properly create files.",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.7.2"}]}],
        }
    ],
}


def advisory(
    identifier: str,
    package: str,
    fixed: str = "",
    *,
    introduced: str = "0",
    aliases: Sequence[str] = (),
    severity: str = "HIGH",
    modified: str = "2024-01-01T00:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    """An advisory on one package of PyPI, with one range."""
    events = [{"introduced": introduced}, *([{"fixed": fixed}] if fixed else [])]
    return {
        "schema_version": "1.6.0",
        "id": identifier,
        "modified": modified,
        "published": "2023-12-01T00:00:00Z",
        "aliases": list(aliases),
        "summary": f"planted in {package}",
        "database_specific": {"severity": severity} if severity else {},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


def write_folder(folder: Path, advisories: Sequence[dict[str, Any]]) -> Path:
    """A folder of advisories, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in advisories:
        (folder / f"{item['id']}.json").write_text(json.dumps(item))
    return folder


@dataclass
class StandIn:
    """The server's address, what it knows, what it was asked, and how it misbehaves.

    Attributes:
        fault: ``status`` (an error of HTTP), ``html`` (an answer that is not JSON), ``schema`` (of a version to come),
            ``undated`` (a time that is no time), ``partial`` (advisories without what they affect), or empty.
    """

    url: str = ""
    advisories: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    fault: str = ""

    def answer(self, name: str, version: str) -> bytes:
        found = [item for item in self.advisories if is_about(item, name, version)]
        if self.fault == "html":
            return b"<html>Sign in</html>"
        if self.fault == "schema":
            found = [item | {"schema_version": "2.0.0"} for item in found]
        if self.fault == "undated":
            found = [item | {"published": "yesterday"} for item in found]
        if self.fault == "partial":
            found = [{key: value for key, value in item.items() if key != "affected"} for item in found]
        return json.dumps({"vulns": found} if found else {}).encode()


def is_about(advisory: dict[str, Any], name: str, version: str) -> bool:
    """Whether an advisory with plain ranges (each one introduction and at most one end) is about a version."""
    asked, at = _normal(name), Version(version)
    for affected in advisory["affected"]:
        if _normal(affected["package"]["name"]) != asked or affected["package"]["ecosystem"] != "PyPI":
            continue
        if version in affected.get("versions", []):
            return True
        for item in affected.get("ranges", []):
            bounds = {kind: text for event in item["events"] for kind, text in event.items()}
            low = bounds.get("introduced", "0")
            if low != "0" and at < Version(low):
                continue
            if "fixed" in bounds and at >= Version(bounds["fixed"]):
                continue
            if "last_affected" in bounds and at > Version(bounds["last_affected"]):
                continue
            return True
    return False


@contextmanager
def serving(advisories: Sequence[dict[str, Any]], fault: str = "", *, canary: bool = True) -> Iterator[StandIn]:
    """A server on a free port of this machine, until the context ends."""
    stand_in = StandIn(advisories=[*advisories, *([CANARY] if canary else [])], fault=fault)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            stand_in.asked.append((name, version))
            body = stand_in.answer(name, version)
            self.send_response(500 if stand_in.fault == "status" else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing: a test's output is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1/query"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
