# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_secrets``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Baseline, Source
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Metric, Report, Severity, Skipped, Tool, conclude

if TYPE_CHECKING:
    from wardein.scan.merge import Found
    from wardein.secrecy.history import History
    from wardein.secrecy.opinions import Texts
    from wardein.secrecy.search import Secret

SCANNERS = ("wardein", "gitleaks")
# The identity of each costs as much as guessing it shall cost; beyond these a tree has other troubles than one more.
MAX_SECRETS = 2000


def scan_secrets(
    source: Source,
    scanners: list[str] = ["wardein"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    baseline: Baseline | None = None,
) -> Report:
    """Look for passwords, keys and tokens in every file, also where pipelines leak them, and in a repository's history.

    Every regular file is searched, whatever it is called and whatever marker or ignore file stands in it. JSON, YAML,
    notebooks with their outputs, compiled pipelines, the parameters and tags of MLflow runs, manifests of Kubernetes
    secrets and evidence are read for what they say, without escapes and base64; archives are unpacked, up to four deep
    and within bounds. In binary files, what can be read in them is searched for secrets that have a form of their own.
    Of a git repository every object is searched, so that what was deleted is found; its settings and hooks do not
    count. What cannot be read (an encrypted or broken archive or notebook, a broken repository, one that borrows its
    objects) is not examined, and ends in ERROR. Placeholders and the examples of vendors' documentation are no
    findings. Not searched: compressed streams inside of formats that are no archives (pictures, PDF, Parquet, HDF5).

    No value leaves the check: a finding tells the kind, the length and the kinds of characters. Its fingerprint holds
    16 bits of a slow hash of the value, so that a baseline does not hide another secret in the same place.

    Args:
        source: The folder to search, or one file; with .git in it, its history is searched as well.
        scanners: Which scanners look: wardein (its own rules) and gitleaks, whose program must be installed. The wheel
            of gitleaks is somebody else's than gitleaks' authors', which is why it is not asked by default.
        fail_severity: The least severe finding that makes the check fail.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        Findings, each with a masked shape and never a value; coverage counts the files.

    Raises:
        WardeinError: If a scanner is missing, fails, or did not read what it was given.

    References:
        CWE-798 (hard-coded credentials), CWE-312 (cleartext storage), CWE-532 (secrets in logs and outputs).
    """
    unknown = sorted(set(scanners) - set(SCANNERS))
    if unknown or not scanners:
        what = f"{unknown[0][:60]!r} is none of {', '.join(SCANNERS)}" if unknown else "is empty"
        raise UsageError(what, where="--scanners", mend=f"give some of: {' '.join(SCANNERS)}")
    try:
        return _report(source, scanners, Severity(fail_severity), baseline)
    except (WardeinError, MemoryError):
        raise
    except Exception as error:
        # Whatever it is, its message may quote what was read.
        raise WardeinError(f"fails ({type(error).__name__}); this is a defect of the check") from None


def _report(source: Path, scanners: Sequence[str], fail_severity: Severity, baseline: Path | None) -> Report:
    from wardein.scan.merge import counts, merged, without
    from wardein.secrecy.history import combined
    from wardein.secrecy.opinions import Texts

    with tempfile.TemporaryDirectory(prefix="wardein-texts-") as folder:
        texts = Texts(Path(folder)) if "gitleaks" in scanners else None
        looked = _look(source, texts)
        secrets = combined(looked.secrets, looked.history.secrets)
        found = [secret.found(path) for path, listed in secrets.items() for secret in listed]
        tools = [*looked.tools]
        if texts is not None:
            opinions, tool = _second_opinion(texts, secrets)
            found = [*(found if "wardein" in scanners else ()), *opinions]
            tools.append(tool)
    findings = without(merged([*found, *looked.partial], fail_severity), baseline, "scan_secrets")
    metrics = counts(findings, looked.coverage.expected)
    if looked.tools:
        searched = looked.history.objects
        metrics.append(Metric("history_objects", searched, max(searched, 1), unit="count"))
    return conclude(coverage=looked.coverage, tools=tools, metrics=metrics, findings=findings)


@dataclass(frozen=True)
class _Looked:
    """What was searched, and what was found in it; what is told of repositories that are here in part."""

    secrets: Mapping[str, list[Secret]]
    history: History
    coverage: Coverage
    tools: list[Tool]
    partial: list[Found]


def _look(source: Path, texts: Texts | None) -> _Looked:
    from wardein.scan.tree import files_of
    from wardein.secrecy import history
    from wardein.secrecy.search import masked, open_for_reading, search, skipped

    files = files_of(source)
    folders, gaps = history.repositories(files) if source.is_dir() else ([], [])
    keep = texts.keep if texts is not None else None
    secrets: dict[str, list[Secret]] = {}
    unread: set[str] = set()
    total = 0
    objects = {file.path for file in files if history.is_object(file.path, frozenset(folders))}
    for file in files:
        if file.path in objects:
            continue
        try:
            with open_for_reading(file.real) as stream:
                searched = search(file.path, stream, keep)
        except OSError as error:
            gaps.append(Skipped(masked(file.path), f"cannot be read ({error.strerror})"))
            unread.add(file.path)
            continue
        secrets[file.path] = searched.secrets
        total += len(searched.secrets)
        if total > MAX_SECRETS:
            rest = {file.path for file in files[files.index(file) + 1 :]}
            gaps.append(Skipped("the rest of the files", f"more than {MAX_SECRETS} secrets are found already"))
            unread |= rest
            break
        if searched.gaps:
            gaps += skipped(file.path, searched.gaps)
            unread.add(file.path)
    past = history.read(source, folders, max(MAX_SECRETS - total, 0), keep)
    if past.gaps:
        unread |= objects
    coverage = Coverage("files", len(files), len(files) - len(unread), (*gaps, *past.gaps))
    tools = [_git()] if folders and not past.gaps else []
    return _Looked(secrets, past, coverage, tools, history.shallow(files, folders))


def _git() -> Tool:
    from wardein.tools import git

    program, version = git.version()
    return Tool("git", version, program.sha256)


def _second_opinion(texts: Texts, secrets: Mapping[str, Sequence[Secret]]) -> tuple[list[Found], Tool]:
    from wardein.tools import gitleaks

    program = gitleaks.locate()
    leaks = gitleaks.scan(program, texts.folder, texts.names, texts.bytes) if texts.names else []
    found = list(texts.opinions(leaks, secrets, "gitleaks"))
    return found, Tool("gitleaks", program.version, program.program.sha256)
