# SPDX-License-Identifier: Apache-2.0
"""Open Policy Agent, as a program or as a server, for the rules of a policy folder.

The rules were held against the portable profile before they come here; what OPA could reach outside is taken from it
once more where that is possible, by a list of capabilities.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.policy.rego_lint import BUILTINS, OPERATORS
from wardein.policy.rego_text import PACKAGE, Rules
from wardein.tools import run

VARIABLE = "WARDEIN_OPA"
MAX_BYTES = 1024 * 1024
_MEND = f"set {VARIABLE} to the absolute path of opa or to the URL of an OPA server, or unset it for regopy"


def by_program(rules: Rules, document: str, query: str, seconds: float) -> Any:
    """Evaluate a query with the program that the environment names.

    Raises:
        WardeinError: If it is not there, refuses the rules, or does not answer in time.
    """
    program = run.find("opa", variable=VARIABLE, mend=_MEND)
    with tempfile.TemporaryDirectory(prefix="wardein-") as folder:
        texts = {"rules.rego": rules.text, "input.json": document, "capabilities.json": _capabilities(program, seconds)}
        for name, text in texts.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        command: list[str | Path] = [
            *(program.path, "eval", "--format", "json", "--strict-builtin-errors"),
            *("--capabilities", Path(folder, "capabilities.json")),
            *("--data", Path(folder, "rules.rego"), "--input", Path(folder, "input.json"), query),
        ]
        ended = run.run(command, time_limit=seconds, what="opa")
    answer = _object(ended.stdout)
    if ended.code != 0 or answer.get("errors"):
        raise _refused(answer.get("errors"), rules, ended.stderr)
    try:
        return answer["result"][0]["expressions"][0]["value"]
    except (KeyError, IndexError, TypeError):
        raise WardeinError("gave no value", where="opa", mend=_MEND) from None


def by_server(url: str, rules: Rules, document: str, seconds: float) -> Any:
    """Evaluate the rules on a server: put there under a name of their own, asked, and taken away again.

    Raises:
        WardeinError: If the server cannot be reached, refuses the rules, or does not answer in time.
    """
    server = _Server(url, time.monotonic() + seconds)
    # Nothing else on the server has this package: another version of these rules, or another gate that asks now.
    name = f"release_{hashlib.sha256(rules.text.encode()).hexdigest()[:16]}_{secrets.token_hex(8)}"
    policy, package = f"/v1/policies/wardein/{name}", f"/v1/data/wardein/{name}"
    text = rules.text.replace(f"package {PACKAGE}", f"package wardein.{name}", 1)
    try:
        status, answer = server.ask("PUT", policy, text.encode(), "text/plain")
        if status != http.client.OK:
            raise _refused(answer.get("errors") or [answer], rules, "")
        return {rule: list(_result(server, f"{package}/{rule}", document, rules)) for rule in ("allow", "deny")}
    finally:
        with contextlib.suppress(WardeinError):
            _Server(url, time.monotonic() + seconds).ask("DELETE", policy, b"", "text/plain")


def _result(server: _Server, path: str, document: str, rules: Rules) -> Iterator[Any]:
    """The rule's value, or nothing if it is undefined."""
    body = f'{{"input": {document}}}'.encode()
    status, answer = server.ask("POST", f"{path}?strict-builtin-errors=true", body, "application/json")
    if status != http.client.OK:
        raise _refused(answer.get("errors") or [answer], rules, "")
    if "result" in answer:
        yield answer["result"]


class _Server:
    """An OPA server, asked without redirects and proxies, and not longer than until the deadline."""

    def __init__(self, url: str, deadline: float) -> None:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        if not plain or parts.username is not None:
            raise WardeinError("is not the plain URL of an OPA server", where=VARIABLE, mend=_MEND)
        self._secure, self._host, self._prefix = parts.scheme == "https", parts.hostname or "", parts.path.rstrip("/")
        self._deadline = deadline
        try:
            self._port = parts.port
        except ValueError:
            raise WardeinError("names no valid port", where=VARIABLE, mend=_MEND) from None

    def ask(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON object of an answer."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._failed("did not answer in time")
        make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = make(self._host, self._port, timeout=left)
        try:
            connection.connect()
            # A server that sends a byte now and then would never exceed the time limit of a single read.
            guard = threading.Timer(left, _hang_up, [connection.sock])
            guard.start()
            try:
                connection.request(method, self._prefix + path, body, {"Content-Type": kind})
                response = connection.getresponse()
                text = response.read(MAX_BYTES + 1)
            finally:
                guard.cancel()
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(f"did not answer ({type(error).__name__})") from None
        finally:
            connection.close()
        if len(text) > MAX_BYTES:
            raise self._failed(f"answered with more than {MAX_BYTES} bytes")
        if response.length or time.monotonic() > self._deadline:
            raise self._failed("did not answer in time")
        return response.status, _object(text) if text.strip() else {}

    def _failed(self, why: str) -> WardeinError:
        return WardeinError(why, where=f"{VARIABLE}, {self._host}", mend="see whether the OPA server runs")


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _capabilities(program: run.Program, seconds: float) -> str:
    """What this OPA can do, less all that the portable profile does not have, and without any network."""
    ended = run.run([program.path, "capabilities", "--current"], time_limit=seconds, what="opa")
    own = _object(ended.stdout)
    try:
        kept = [item for item in own["builtins"] if item["name"] in BUILTINS or item["name"].split(".")[0] in OPERATORS]
    except (KeyError, TypeError):
        raise WardeinError("does not tell its capabilities", where=str(program.path), mend=_MEND) from None
    return json.dumps(own | {"builtins": kept, "allow_net": []})


def _refused(errors: Any, rules: Rules, printed: str) -> WardeinError:
    """OPA's first complaint, with the file and the line that the rules have outside of OPA."""
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    location = error.get("location") if isinstance(error.get("location"), dict) else {}
    row = location.get("row") if isinstance(location, dict) else None
    words = f"{error.get('code', '')}: {error.get('message', '')}".strip(": ") or printed.strip()[-300:] or "no reason"
    words = re.sub(r"\S*/(\S+\.rego)", r"\1", words)
    where = rules.place(row) if isinstance(row, int) and row > 0 else "opa"
    return WardeinError(f"OPA refuses the rules: {words[:300]}", where=where, mend="see docs/rego.md")


def _object(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_BYTES:
        raise WardeinError(f"answered with more than {MAX_BYTES} bytes", where="opa", mend="give fewer reasons")
    value = strict_loads(text, "opa's answer")
    if not isinstance(value, dict):
        raise WardeinError("answered with no JSON object", where="opa", mend=_MEND)
    return value
