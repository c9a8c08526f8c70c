# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_code``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

from wardein import __version__
from wardein.artifacts import Baseline, Source
from wardein.errors import UsageError
from wardein.report import Coverage, Report, Severity, Skipped, Tool, conclude
from wardein.scan import merge, tree

SCANNERS = ("wardein", "bandit", "ruff")
# Enough to see what is wrong; the rest is counted.
_MOST_SKIPPED = 200


def scan_code(
    source: Source,
    scanners: list[str] = ["wardein", "bandit", "ruff"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    baseline: Baseline | None = None,
) -> Report:
    """Look for code that runs, loads or trusts what it should not, in scripts and notebooks.

    Three scanners look at every Python file and notebook: bandit, ruff's security rules, and wardein's own rules for
    machine-learning code, which know joblib, allow_pickle, weights_only, safe_mode, trust_remote_code, revisions of
    hubs, and commands in notebooks. Names are followed through imports, aliases and getattr. One bug that several
    scanners find is one finding. Severities are those of docs/rules.md: some of bandit's are others in ML code.
    No file is passed over because of its name or folder, and nothing in the source switches a rule off: no nosec or
    noqa comment, no configuration file. Files are Python by their suffix (.py, .pyw, .pyi, .ipy, .ipynb) or by their
    first line. What cannot be parsed, names an encoding that hides code, ends the process that reads it, or was not
    read to its end by every scanner was not examined, and ends in ERROR. Python 2 cannot be parsed. Bytecode and
    machine code are findings, as nobody looked at what is in them.

    Args:
        source: The folder that holds the code, or one file.
        scanners: Which scanners look, some of wardein, bandit and ruff. One that is missing or too old is an ERROR.
        fail_severity: The least severe finding that makes the check fail.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        Findings with their lines (in notebooks with the cell), how many there are of each severity, and how many of
        the Python files were examined by every scanner.

    Raises:
        WardeinError: If a scanner is missing, of a version that was not tried, or nothing can be examined.

    References:
        MITRE CWE-502, Deserialization of Untrusted Data. OWASP Machine Learning Security Top 10, ML06:2023 AI Supply
        Chain Attacks.
    """
    from wardein.code import files
    from wardein.code.examined import examined
    from wardein.code.linted import LINTERS, linted

    _check(scanners)
    programs = {name: LINTERS[name].locate() for name in LINTERS if name in scanners}
    every = tree.files_of(source)
    python = [file for file in every if files.is_python(file)]
    found = files.unreadable_code(every)
    with examined(python) as read:
        skipped = read.skipped
        if "wardein" in scanners:
            found += [item for copy in read.copies.values() for item in copy.found()]
        for items, gaps in linted(programs, read):
            found += items
            skipped += gaps
    findings = merge.without(merge.merged(found, Severity(fail_severity)), baseline, "scan_code")
    tools = [Tool("wardein", __version__), Tool("python", ".".join(map(str, sys.version_info[:3])))]
    tools += [Tool(name, version, program.sha256) for name, (program, version) in programs.items()]
    return conclude(
        coverage=_coverage([file.path for file in python], skipped),
        tools=tools,
        metrics=merge.counts(findings, len(python)),
        findings=findings,
    )


def _check(scanners: Sequence[str]) -> None:
    for name in scanners:
        if name not in SCANNERS:
            raise UsageError(f"{name!r} is none of {', '.join(SCANNERS)}", where="--scanners")
    if not scanners:
        raise UsageError("nothing to look with", where="--scanners", mend=f"name some of {', '.join(SCANNERS)}")


def _coverage(paths: Sequence[str], skipped: Sequence[Skipped]) -> Coverage:
    """What was skipped is a file, or, if a scanner failed, everything that it was given."""
    names = {item.what for item in skipped}
    missed = names & set(paths) if names <= set(paths) else set(paths)
    ordered = sorted(set(skipped), key=lambda item: (item.what, item.reason))
    if len(ordered) > _MOST_SKIPPED:
        rest = Skipped(f"{len(ordered) - _MOST_SKIPPED} more", "for the like reasons")
        ordered = [*ordered[:_MOST_SKIPPED], rest]
    return Coverage("Python files", len(paths), len(paths) - len(missed), tuple(ordered))
