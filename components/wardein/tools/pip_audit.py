# SPDX-License-Identifier: Apache-2.0
"""Packages looked up by pip-audit on a server that speaks OSV's protocol.

pip-audit says "No known vulnerabilities found", with exit code 0, for what it could not audit, for answers in a
format that it does not know, and for a server that knows nothing. So it is given pinned requirements only, which it
neither resolves nor installs; each of them must come back as audited; it may not log a single warning of its own; and
a package that every collection of advisories knows to be vulnerable is asked for along with them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wardein.dependencies.declared import Package, normal, normal_version
from wardein.dependencies.known import Answer, Vulnerability
from wardein.errors import UsageError, WardeinError
from wardein.jsontext import strict_loads
from wardein.report import Tool
from wardein.tools import run

VARIABLE = "WARDEIN_PIP_AUDIT"
INSTALL = f"run: pip install 'wardein[scan]', or set {VARIABLE} to its absolute path"
OLDEST = (2, 9)
SOURCE = "pip-audit"
# Three advisories of 2014, 2019 and 2020; the example of OSV's own documentation.
CANARY = Package("pypi", "jinja2", "2.4.1")
MAX_SECONDS = 1800
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What it says about the options that it is given, and not about what it looked up.
_HARMLESS = ("--no-deps is supported", "Consider using a tool like `pip-compile`")
_LOGGED = re.compile(r"(?:WARNING|ERROR|CRITICAL):[\w.]*:(.*)")


@dataclass(frozen=True)
class PipAudit:
    """The pip-audit of this machine."""

    program: run.Program
    version: str


def check_url(url: str) -> None:
    """Refuse a server that anybody on the way could speak for, and credentials in what is recorded.

    Raises:
        UsageError: If it is neither https nor on this machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or (parts.scheme, host in _LOOPBACK) not in (("https", True), ("https", False), ("http", True)):
        raise UsageError("is not an https address", where="--osv-url", mend="for example https://api.osv.dev/v1/query")
    if parts.username or parts.password or parts.query or parts.fragment:
        mend = "give the bare address of its /v1/query"
        raise UsageError("holds more than an address, and it is recorded in the report", where="--osv-url", mend=mend)


def locate() -> PipAudit:
    """Find pip-audit: the setting, then PATH, then beside this Python.

    Raises:
        WardeinError: If there is none, or its version is older than what was tried.
    """
    beside = Path(sys.executable).parent / "pip-audit"
    program = run.find("pip-audit", variable=VARIABLE, candidates=[beside], mend=INSTALL)
    ended = run.run([program.path, "--version"], time_limit=60, what="pip-audit")
    match = re.fullmatch(rb"pip-audit (\d+)\.(\d+)(?:\.\d+)*\s*", ended.stdout)
    if match is None:
        raise WardeinError("does not tell its version", where="pip-audit", mend=INSTALL)
    version = ended.stdout.decode().split()[1]
    if (int(match[1]), int(match[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise WardeinError(f"version {version} is older than {oldest}", where="pip-audit", mend=INSTALL)
    return PipAudit(program, version)


def look_up(packages: Sequence[Package], url: str) -> Answer:
    """Look Python packages up on a server.

    Args:
        packages: What to look up; those of other ecosystems are left out.
        url: The address of its ``/v1/query``.

    Raises:
        WardeinError: If pip-audit fails, or what it reports does not fit what it was given, or the server does not
            know the canary.
    """
    program = locate()
    wanted = sorted({package for package in packages if package.ecosystem == "pypi"})
    vulnerabilities: list[Vulnerability] = []
    unread: dict[Package, str] = {}
    for group in _rounds([*wanted, *({CANARY} - set(wanted))]):
        told, problems = _audit(program, group, url)
        vulnerabilities += told
        unread |= problems
    if not any(item.package == CANARY for item in vulnerabilities):
        raise WardeinError(
            f"knows nothing against {CANARY.label}, as every collection of advisories on PyPI does",
            where="--osv-url",
            mend="give a server that has PyPI's advisories",
        )
    # How old the server's advisories are is not known: it does not tell.
    tool = Tool("pip-audit", program.version, program.program.sha256, db_name="osv-server")
    found = tuple(item for item in vulnerabilities if item.package in wanted)
    return Answer(tool, frozenset(wanted) - set(unread), found, unread)


def _rounds(packages: Sequence[Package]) -> list[list[Package]]:
    """It refuses a package at two versions: each further version takes a run of its own."""
    seen: Counter[str] = Counter()
    rounds: list[list[Package]] = []
    for package in packages:
        if seen[package.name] == len(rounds):
            rounds.append([])
        rounds[seen[package.name]].append(package)
        seen[package.name] += 1
    return rounds


def _audit(program: PipAudit, packages: Sequence[Package], url: str) -> tuple[list[Vulnerability], dict[Package, str]]:
    """One run: what is known against the packages, and which of them it did not audit."""
    with tempfile.TemporaryDirectory(prefix="wardein-packages-") as folder:
        path = Path(folder, "requirements.txt")
        path.write_text("".join(f"{package.name}=={package.version}\n" for package in packages), encoding="ascii")
        options = ["--no-deps", "--disable-pip", "--strict", "--progress-spinner", "off", "--timeout", "30"]
        ended = run.run(
            [program.program.path, "-r", path, *options, "-s", "osv", "--osv-url", url, "-f", "json"],
            time_limit=MAX_SECONDS,
            environment=_environment(),
            what="pip-audit",
        )
    if ended.code not in (0, 1) or not ended.stdout.strip():
        raise WardeinError(f"failed with code {ended.code}: {_last_line(ended.stderr)}", where="pip-audit")
    logged = [match[1].strip() for line in ended.stderr.splitlines() if (match := _LOGGED.match(line))]
    serious = [text for text in logged if not text.startswith(_HARMLESS)]
    if serious:
        raise WardeinError(f"complained: {serious[0][:300]}", where="pip-audit")
    report = strict_loads(ended.stdout, where="pip-audit's report")
    by_key = {(package.name, package.version): package for package in packages}
    found: list[Vulnerability] = []
    unread: dict[Package, str] = {}
    seen: set[Package] = set()
    try:
        for item in report["dependencies"]:
            if "skip_reason" in item:
                skipped = [package for package in packages if package.name == normal(str(item["name"]))]
                unread.update(dict.fromkeys(skipped, f"pip-audit skipped it: {str(item['skip_reason'])[:200]}"))
                continue
            package = by_key[normal(str(item["name"])), normal_version(str(item["version"]))]
            seen.add(package)
            found += [_vulnerability(package, entry) for entry in item["vulns"]]
    except (KeyError, TypeError, AttributeError):
        raise WardeinError("wrote a report of a form that is not known", where="pip-audit") from None
    for package in set(packages) - seen - set(unread):
        unread[package] = "pip-audit left it out of its report"
    if (ended.code == 1) is not bool(found):
        raise WardeinError(f"ended with code {ended.code}, which does not fit its report", where="pip-audit")
    return found, unread


def _environment() -> Mapping[str, str]:
    """Its library takes certificates from a variable of its own."""
    names = {"SSL_CERT_FILE": "REQUESTS_CA_BUNDLE"}
    return {theirs: os.environ[ours] for ours, theirs in names.items() if ours in os.environ}


def _vulnerability(package: Package, entry: Mapping[str, Any]) -> Vulnerability:
    return Vulnerability(
        package,
        str(entry["id"]),
        tuple(map(str, entry["aliases"])),
        str(entry["description"]),
        tuple(map(str, entry["fix_versions"])),
        source=SOURCE,
    )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[-300:] if lines else "no message"
