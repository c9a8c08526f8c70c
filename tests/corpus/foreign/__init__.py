# SPDX-License-Identifier: Apache-2.0
"""Golden reports of other people's tools, and how each of them is imported (README.md says how they were made)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# The image that the reports on images are about.
IMAGE = "3c76ef6b6452e7e8071575413384a7b804dac7f2d5845fdc0c4895909ed27176"
# A source folder that no report names the digest of.
SOURCE = "source:sha256:" + "5" * 64
# All goldens are of 2020-01-02.
OLD_ENOUGH = ("--max-age-hours", "1000000")


def subject_of(named: str) -> list[str]:
    """The options that name what a report is about, from KIND:sha256:HEX."""
    kind, _, digest = named.partition(":")
    return ["--kind", kind, "--subject", digest]


@dataclass(frozen=True)
class Golden:
    """A report, and what to say to import it."""

    path: str
    format: str
    target: str = ""
    accept: tuple[str, ...] = ()
    subject: str = SOURCE

    @property
    def file(self) -> Path:
        return HERE / self.path

    @property
    def arguments(self) -> list[str]:
        """All arguments but the report."""
        words = [*subject_of(self.subject), *OLD_ENOUGH]
        words += ["--target", self.target] if self.target else []
        return words + [part for word in self.accept for part in ("--accept-unknown", word)]

    def load(self) -> Any:
        """The report as JSON; a list of its lines if it has one value a line."""
        text = self.file.read_text()
        return [json.loads(line) for line in text.splitlines()] if self.file.suffix == ".jsonl" else json.loads(text)

    def write(self, value: Any, path: Path) -> Path:
        """Write another report of the same form."""
        lines = self.file.suffix == ".jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in value) if lines else json.dumps(value))
        return path


_ALL = ("target", "time", "coverage")
_IMAGE = f"image:sha256:{IMAGE}"
GOOD_PICKLE = "251de154b022130eb2852ef7393ad3a5835b1d61a4ea1371848e02bd0c097726"
GOLDENS = {
    golden.path: golden
    for golden in (
        Golden("ran/bandit.json", "bandit", "src"),
        Golden("ran/bandit-nosec.json", "bandit", "src"),
        Golden("ran/bandit-unparsable.json", "bandit", "src"),
        Golden("ran/semgrep.json", "semgrep", "src", ("time",)),
        Golden("ran/semgrep-unparsable.json", "semgrep", "src", ("time",)),
        Golden("ran/semgrep.sarif", "sarif", accept=_ALL),
        Golden("ran/gitleaks.json", "gitleaks", accept=_ALL),
        Golden("ran/gitleaks.sarif", "sarif", accept=_ALL),
        Golden("ran/checkov.json", "checkov", "/srv/ci/repo/deploy", ("time",)),
        Golden("ran/checkov-skipped.json", "checkov", "/srv/ci/repo/deploy", ("time",)),
        Golden("ran/checkov-nothing.json", "checkov", accept=("target", "time")),
        Golden("ran/trivy-image.sarif", "sarif", "/srv/ci/layout", ("time", "coverage"), _IMAGE),
        Golden("ran/modelaudit.json", "modelaudit", subject=f"model:sha256:{GOOD_PICKLE}"),
        Golden("ran/modelaudit-clean.json", "modelaudit", subject=f"model:sha256:{GOOD_PICKLE}"),
        Golden("ran/modelaudit-nothing.json", "modelaudit", accept=("target",)),
        Golden("ran/pip-audit.json", "pip-audit", accept=("target", "time")),
        Golden("ran/pip-audit-skipped.json", "pip-audit", accept=("target", "time")),
        Golden("ran/garak.jsonl", "garak", "test.Repeat"),
        Golden("written/zap.json", "zap", "https://staging.example.org"),
        Golden("written/clair.json", "clair", accept=("time",), subject=_IMAGE),
        Golden("written/grype.json", "grype", accept=("coverage",), subject=_IMAGE),
        Golden("written/snyk.json", "snyk", "train", ("time",)),
        Golden("written/snyk-container.json", "snyk", accept=("time",), subject=_IMAGE),
        Golden("written/snyk-failed.json", "snyk", accept=("target", "time")),
        Golden("written/safety.json", "safety", "requirements.txt"),
        Golden("written/trufflehog.jsonl", "trufflehog", accept=("target",)),
        Golden("written/trufflehog-results-only.jsonl", "trufflehog", accept=_ALL),
        Golden("written/codeql.sarif", "sarif", "https://example.org/team/train"),
        Golden("written/npm-audit.json", "npm-audit", accept=("target", "time")),
    )
}
