# SPDX-License-Identifier: Apache-2.0
"""cfn-lint on templates of CloudFormation: what it read and what it found.

Its report lists findings only. So it gets a rule of ours beside its own, which answers for every template.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.config import suppressions
from wardein.config.kinds import ConfigFile
from wardein.config.written import written
from wardein.errors import WardeinError
from wardein.report import Severity, Skipped, Tool
from wardein.scan.merge import Found
from wardein.tools import run

VARIABLE = "WARDEIN_CFN_LINT"
INSTALL = f"run: pip install cfn-lint (into an environment of its own), and set {VARIABLE} to its absolute path"
MAX_SECONDS = 3600
KINDS = ("cloudformation",)
_READ = "I9871"
_RULE = f'''
from cfnlint.rules import CloudFormationLintRule, RuleMatch


class Read(CloudFormationLintRule):
    id = "{_READ}"
    shortdesc = "read"
    description = "Answers for every template that was read"
    source_url = ""
    tags = []

    def match(self, cfn):
        return [RuleMatch([], "read")]
'''
_SEVERITIES = {"Error": Severity.MEDIUM, "Warning": Severity.LOW, "Informational": Severity.INFO}
_UNREADABLE = re.compile(r"E000[0-9]\Z")


def scan(configs: Sequence[ConfigFile]) -> tuple[list[Found], list[Skipped], Tool]:
    """Scan files of the kinds :data:`KINDS`.

    Returns:
        What it found, what it did not read, and cfn-lint itself.

    Raises:
        WardeinError: If cfn-lint is not there, of another generation than is known, or fails.
    """
    beside = Path(sys.executable).parent / "cfn-lint"
    program = run.find("cfn-lint", variable=VARIABLE, candidates=[beside], mend=INSTALL)
    told = run.run([program.path, "--version"], time_limit=120, what="cfn-lint").stdout.decode("ascii", "replace")
    version = told.strip().removeprefix("cfn-lint ")
    if not version.startswith("1."):
        raise WardeinError(f"version {version[:40]!r} is none of 1.x", where="cfn-lint", mend=INSTALL)
    tool = Tool("cfn-lint", version, program.sha256)
    if not configs:
        return [], [], tool
    with tempfile.TemporaryDirectory(prefix="wardein-cfn-") as name:
        folder = Path(name)
        (folder / "rules").mkdir()
        (folder / "rules" / "read.py").write_text(_RULE)
        originals = {f"{number:06d}.yaml": config for number, config in enumerate(configs)}
        for file, config in originals.items():
            (folder / file).write_bytes(written(suppressions.without_keys(config.objects[0])))
        command: list[str | Path] = [
            *(program.path, "--format", "json", "--include-checks", "I", "--mandatory-checks", "E", "W", "I"),
            *("--append-rules", folder / "rules", "--regions", "us-east-1"),
            *("--", *[str(folder / file) for file in originals]),
        ]
        ended = run.run(command, time_limit=MAX_SECONDS, what="cfn-lint")
    found, read = _read_report(ended, originals)
    unread = sorted((config.path for file, config in originals.items() if file not in read), key=str.encode)
    return found, [Skipped(path, "cfn-lint could not read it") for path in unread], tool


def _read_report(ended: run.Ended, originals: Mapping[str, ConfigFile]) -> tuple[list[Found], set[str]]:
    found, read, unread = [], set(), set()
    try:
        for item in json.loads(ended.stdout):
            file, rule = Path(item["Filename"]).name, str(item["Rule"]["Id"])
            if file not in originals:
                raise WardeinError("reports on a file that it was not given", where="cfn-lint")
            if rule == _READ:
                read.add(file)
            elif _UNREADABLE.match(rule):
                unread.add(file)
            else:
                found.append(_found(item, rule, originals[file]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WardeinError(
            f"ended with code {ended.code} and without a report of the form that is known",
            where="cfn-lint",
            mend=INSTALL,
        ) from None
    return found, read - unread


def _found(item: Mapping[str, Any], rule: str, config: ConfigFile) -> Found:
    line, last = (int(item["Location"][end]["LineNumber"]) for end in ("Start", "End"))
    title = str(item["Rule"]["ShortDescription"]).strip()[:200]
    severity = _SEVERITIES[item["Level"]]
    return Found(
        *(f"cfn-lint/{rule}", config.path, severity, title, f"cfn-lint:{rule}", line, last), text=config.line(line)
    )
