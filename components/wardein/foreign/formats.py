# SPDX-License-Identifier: Apache-2.0
"""Every format that can be read, and which of them a report is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wardein.errors import WardeinError
from wardein.foreign import (
    bandit,
    checkov,
    clair,
    garak,
    gitleaks,
    grype,
    modelaudit,
    npm_audit,
    pip_audit,
    safety,
    sarif,
    semgrep,
    snyk,
    trufflehog,
    zap,
)
from wardein.foreign.document import WHERE, Document, Node
from wardein.foreign.reading import Reading


@dataclass(frozen=True)
class Format:
    """A format, whether something looks like it, and how it is read.

    Attributes:
        lines: Whether it is one JSON value a line.
    """

    name: str
    recognises: Callable[[Any], bool]
    read: Callable[[Node], Reading]
    lines: bool = False

    def fits(self, document: Document) -> bool:
        """Whether a document looks like it."""
        return self.recognises(document.lines if self.lines else document.whole)


FORMATS = (
    Format("sarif", sarif.recognises, sarif.read),
    Format("zap", zap.recognises, zap.read),
    Format("clair", clair.recognises, clair.read),
    Format("grype", grype.recognises, grype.read),
    Format("snyk", snyk.recognises, snyk.read),
    Format("safety", safety.recognises, safety.read),
    Format("trufflehog", trufflehog.recognises, trufflehog.read, lines=True),
    Format("gitleaks", gitleaks.recognises, gitleaks.read),
    Format("semgrep", semgrep.recognises, semgrep.read),
    Format("checkov", checkov.recognises, checkov.read),
    Format("garak", garak.recognises, garak.read, lines=True),
    Format("modelaudit", modelaudit.recognises, modelaudit.read),
    Format("bandit", bandit.recognises, bandit.read),
    Format("pip-audit", pip_audit.recognises, pip_audit.read),
    Format("npm-audit", npm_audit.recognises, npm_audit.read),
)


def read(document: Document, name: str) -> Reading:
    """Read a report.

    Args:
        document: From :func:`wardein.foreign.document.parse`.
        name: The format's name, or ``auto`` to recognise it.

    Raises:
        WardeinError: If it is in no format that is known, in more than one, in another than was said, or not as its
            format should be.
    """
    fitting = [form for form in FORMATS if form.fits(document) and name in ("auto", form.name)]
    if not fitting:
        known = ", ".join(form.name for form in FORMATS) if name == "auto" else name
        raise WardeinError(
            f"is in no format that is known ({known})", where=WHERE, mend="docs/import.md tells which are"
        )
    if len(fitting) > 1:
        several = ", ".join(form.name for form in fitting)
        raise WardeinError(f"could be of any of {several}", where=WHERE, mend="say which with --format")
    form = fitting[0]
    return form.read(Node(list(document.lines) if form.lines else document.whole))
