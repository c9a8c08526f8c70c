# SPDX-License-Identifier: Apache-2.0
"""Checkov on configuration, without a platform: what it read and what it found.

It lists every check that passed, so a file that is in none of its lists was not read. Kubernetes objects that hold no
pod it has hardly any check for, so it is given those that do.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.config import suppressions
from wardein.config.kinds import ConfigFile
from wardein.config.rules import CANONICAL, SAME
from wardein.config.written import written
from wardein.errors import WardeinError
from wardein.report import Severity, Skipped, Tool
from wardein.scan.merge import Found
from wardein.tools import run
from wardein.tools.trivy_config import once

VARIABLE = "WARDEIN_CHECKOV"
INSTALL = f"run: pip install checkov (into an environment of its own), and set {VARIABLE} to its absolute path"
MAX_SECONDS = 3600
KINDS = ("kubernetes", "cloudformation", "terraform", "dockerfile", "workflow")
_FRAMEWORKS = ("kubernetes", "cloudformation", "terraform", "dockerfile", "github_actions")
_PODS = ("Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")


def scan(configs: Sequence[ConfigFile]) -> tuple[list[Found], list[Skipped], Tool]:
    """Scan files of the kinds :data:`KINDS`.

    Returns:
        What it found, what it did not read, and checkov itself.

    Raises:
        WardeinError: If checkov is not there, of another generation than is known, or fails.
    """
    program = run.find("checkov", variable=VARIABLE, candidates=[Path(sys.executable).parent / "checkov"], mend=INSTALL)
    version = (
        run.run([program.path, "--version"], time_limit=120, what="checkov").stdout.decode("ascii", "replace").strip()
    )
    if not version.startswith("3."):
        raise WardeinError(f"version {version[:40]!r} is none of 3.x", where="checkov", mend=INSTALL)
    tool = Tool("checkov", version, program.sha256)
    with tempfile.TemporaryDirectory(prefix="wardein-checkov-") as folder:
        originals = dict(_lay_out(Path(folder), configs))
        if not originals:
            return [], [], tool
        command: list[str | Path] = [program.path, "--directory", folder, "--output", "json", "--skip-download"]
        ended = run.run([*command, "--framework", *_FRAMEWORKS], time_limit=MAX_SECONDS, what="checkov")
    found, read = _read_report(ended, originals, version)
    silent = {
        name for name, config in originals.items() if config.kind == "terraform" and "resource" not in config.text
    }
    unread = sorted({originals[name].path for name in originals.keys() - read - silent}, key=str.encode)
    return (
        once(found),
        [Skipped(path, "checkov did not read all of it, or has no check for it") for path in unread],
        tool,
    )


def _lay_out(folder: Path, configs: Sequence[ConfigFile]) -> Iterator[tuple[str, ConfigFile]]:
    for number, config in enumerate(configs):
        for name, content in _contents(number, config):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            yield name, config


def _contents(number: int, config: ConfigFile) -> Iterator[tuple[str, bytes]]:
    plain = [written(suppressions.without_keys(node)) for node in config.objects]
    if config.kind == "dockerfile":
        yield f"{number:06d}/Dockerfile", suppressions.disarmed(config.text).encode()
    elif config.kind == "terraform":
        yield f"terraform/{config.path}", suppressions.disarmed(config.text).encode()
    elif config.kind == "workflow" and config.objects[0]["jobs"].exists:
        yield f".github/workflows/{number:06d}.yaml", plain[0]
    elif config.kind == "cloudformation":
        yield f"{number:06d}/template.yaml", plain[0]
    elif config.kind == "kubernetes":
        for index, node in enumerate(config.objects):
            if node["kind"].text in _PODS:
                yield f"{number:06d}/{index:06d}.yaml", plain[index]


def _read_report(ended: run.Ended, originals: Mapping[str, ConfigFile], version: str) -> tuple[list[Found], set[str]]:
    try:
        report = json.loads(ended.stdout)
        found, read, unread = [], set(), set()
        for part in report if isinstance(report, list) else [report] if "results" in report else []:
            if part["summary"]["checkov_version"] != version:
                raise ValueError
            results = part["results"]
            unread |= {str(path) for path in results["parsing_errors"]}
            for item in [*results["passed_checks"], *results["failed_checks"]]:
                read.add(str(item["file_path"]).lstrip("/"))
            if results["skipped_checks"]:
                raise WardeinError("left checks out because a file asked it to", where="checkov")
            found += [_found(item, originals) for item in results["failed_checks"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WardeinError(
            f"ended with code {ended.code} and without a report of the form that is known",
            where="checkov",
            mend=INSTALL,
        ) from None
    if ended.code not in (0, 1) or (ended.code == 1) != bool(found):
        raise WardeinError(f"ended with code {ended.code}, but its report lists {len(found)} findings", where="checkov")
    return found, {name for name in read if not any(path.endswith(name) for path in unread)}


def _found(item: Mapping[str, Any], originals: Mapping[str, ConfigFile]) -> Found:
    name, own = str(item["file_path"]).lstrip("/"), str(item["check_id"])
    if name not in originals:
        raise WardeinError("reports on a file that it was not given", where="checkov")
    config = originals[name]
    line, last = (max(1, int(number)) for number in item["file_line_range"])
    rule = CANONICAL.get(f"checkov:{own}")
    if rule is not None:
        return Found(
            *(rule.id, config.path, rule.severity, rule.title, f"checkov:{own}", line, last),
            text=config.line(line),
            cwe=rule.cwe,
        )
    # Without its maker's platform checkov rates nothing.
    title = str(item["check_name"]).strip()[:200]
    same = f"trivy/{SAME[own]}" if own in SAME else f"checkov/{own}"
    return Found(*(same, config.path, Severity.MEDIUM, title, f"checkov:{own}", line, last), text=config.line(line))
