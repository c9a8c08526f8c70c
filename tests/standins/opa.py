# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Open Policy Agent, which no package registry has: the OPA that is built into trivy does the work.

What is real: parser, compiler and evaluation, trivy's OPA has them. What is not: the command line and the REST API
around it, written after OPA's documentation; ``--capabilities`` and strict errors of built-in functions, which trivy
has not. A request without them is refused here, so that a test sees whether they were asked for.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wardein.policy.rego_lint import BUILTINS, OPERATORS
from wardein.tools.trivy import locate

_PROBE = """# METADATA
# title: asks for a value
# custom:
#   id: WARDEIN-1
#   input:
#     selector:
#       - type: json
package user.probe

import rego.v1

deny contains json.marshal([value | value := QUERY])
"""
_FIXED = ["--check-namespaces", "user", "--misconfig-scanners", "json", "--skip-check-update", "--skip-version-check"]


class Refused(Exception):
    """The text of what OPA has against a module."""


@cache
def _trivy() -> Path:
    return locate().program.path


def evaluate(module: str, query: str, documents: Sequence[Any]) -> list[Any]:
    """The value of a query for each document.

    Raises:
        Refused: If OPA does not compile the module.
    """
    with tempfile.TemporaryDirectory() as folder:
        rules, data, out = Path(folder, "rules"), Path(folder, "data"), Path(folder, "out.json")
        rules.mkdir()
        data.mkdir()
        (rules / "module.rego").write_text(module)
        (rules / "probe.rego").write_text(_PROBE.replace("QUERY", query))
        for number, document in enumerate(documents):
            (data / f"{number}.json").write_text(json.dumps(document))
        command = [_trivy(), "config", "--config-check", rules, *_FIXED, "--disable-telemetry"]
        command += ["--format", "json", "--cache-dir", Path(folder, "cache"), "--output", out, data]
        ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        complaints = re.findall(r"(module\.rego:\d+: rego_\w+: [^\"\n]*|\S+_error: [^\"\n]*)", ended.stderr)
        if complaints or not out.is_file():
            raise Refused(complaints[0] if complaints else ended.stderr[-500:])
        results = json.loads(out.read_text())["Results"]
    values: dict[int, Any] = {}
    for result in results:
        [found] = json.loads(result["Misconfigurations"][0]["Message"]) or [None]
        values[int(Path(result["Target"]).stem)] = found
    return [values[number] for number in range(len(documents))]


def _errors(refused: Refused) -> dict[str, Any]:
    match = re.search(r"module\.rego:(\d+): (rego_\w+): (.*)", str(refused))
    row, code, message = (int(match[1]), match[2], match[3]) if match else (0, "rego_error", str(refused))
    return {"errors": [{"message": message, "code": code, "location": {"file": "module.rego", "row": row, "col": 1}}]}


def main(arguments: list[str]) -> int:
    """``opa capabilities --current`` and ``opa eval``."""
    if arguments == ["capabilities", "--current"]:
        names = [*BUILTINS, *sorted(OPERATORS), "http.send", "opa.runtime", "net.lookup_ip_addr", "time.now_ns"]
        print(json.dumps({"builtins": [{"name": name} for name in names], "features": ["rego_v1"]}))
        return 0
    if arguments[0] != "eval" or "--strict-builtin-errors" not in arguments:
        return 2
    arguments.remove("--strict-builtin-errors")
    options = dict(zip(arguments[1:-1:2], arguments[2:-1:2], strict=True))
    able = {item["name"] for item in json.loads(Path(options["--capabilities"]).read_text())["builtins"]}
    if able & {"http.send", "opa.runtime", "net.lookup_ip_addr", "time.now_ns"} or options["--format"] != "json":
        return 2
    document = json.loads(Path(options["--input"]).read_text())
    try:
        [value] = evaluate(Path(options["--data"]).read_text(), arguments[-1], [document])
    except Refused as refused:
        print(json.dumps(_errors(refused)))
        return 2
    print(json.dumps({"result": [{"expressions": [{"value": value, "text": arguments[-1]}]}]}))
    return 0


@dataclass
class Server:
    """A running stand-in.

    Attributes:
        policies: What was put and not yet taken away.
        log: Every request: its method, path and body.
    """

    url: str = ""
    policies: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Server]:
    """An OPA server on a free port."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> str:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            state.log.append((self.command, self.path, body))
            return body

        def do_PUT(self) -> None:
            module = self._body()
            package = re.search(r"^package (\S+)", module)
            try:
                evaluate(module, f"data.{package[1]}" if package else "1", [{}])
            except Refused as refused:
                self._answer(400, {"code": "invalid_parameter", "message": "error(s) occurred", **_errors(refused)})
                return
            state.policies[self.path] = module
            self._answer(200, {})

        def do_POST(self) -> None:
            body, (path, _, query) = json.loads(self._body()), self.path.partition("?")
            if query != "strict-builtin-errors=true":
                self._answer(400, {"code": "invalid_parameter", "message": "the stand-in wants strict errors"})
                return
            name = path.removeprefix("/v1/data/").replace("/", ".")
            wanted = f"package {name.rpartition('.')[0]}\n"
            module = next((text for text in state.policies.values() if text.startswith(wanted)), "package nothing\n")
            try:
                [values] = evaluate(module, f"[value | value := data.{name}]", [body["input"]])
            except Refused as refused:
                self._answer(500, {"code": "internal_error", "message": str(refused)})
                return
            self._answer(200, {"result": values[0]} if values else {})

        def do_DELETE(self) -> None:
            self._body()
            found = state.policies.pop(self.path, None)
            self._answer(404 if found is None else 200, {})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
