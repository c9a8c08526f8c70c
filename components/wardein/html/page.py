# SPDX-License-Identifier: Apache-2.0
"""The report page: one self-contained HTML file, without scripts and without anything from elsewhere."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wardein import __version__, wire
from wardein.errors import missing_extra, printable
from wardein.export.grouped import MAX_RULES, groups, places, severities
from wardein.html.pictures import pictures
from wardein.html.words import words
from wardein.report import Metric, Report

TEMPLATE = Path(__file__).with_name("page.html")
MAX_SKIPPED = 500
# How many pictures stand before the words; the others can be opened.
FIRST_PICTURES = 2


def check_installed() -> None:
    """Find out before the work, not after, that no page can be made.

    Raises:
        WardeinError: If jinja2 or matplotlib is not installed.
    """
    for name in ("jinja2", "matplotlib"):
        if find_spec(name) is None:
            raise missing_extra(name, "html")


def render(report: Report) -> str:
    """The page of a report; a decision's page shows the reports that it rests on as well."""
    from jinja2 import Environment, StrictUndefined

    env = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    template = env.from_string(TEMPLATE.read_text(encoding="utf-8"))
    sections = [_section(item) for item in (report, *report.appendix)]
    return template.render(
        title=f"{_words(report.check)}: {report.verdict}", sections=sections, version=__version__, first=FIRST_PICTURES
    )


def _section(report: Report) -> dict[str, Any]:
    counted = [finding for finding in report.findings if not finding.suppressed]
    by_rule, known = groups(counted), groups([finding for finding in report.findings if finding.suppressed])
    share = report.coverage.examined / report.coverage.expected if report.coverage.expected else 0.0
    return {
        "report": report,
        "name": _words(report.check),
        "core": wire.core_sha256(report),
        "share": f"{min(share, 1.0):.0%}",
        "pictures": pictures(report),
        "words": words(report),
        "metrics": [(metric, _value(metric)) for metric in report.metrics],
        "skipped": report.coverage.skipped[:MAX_SKIPPED],
        "more_skipped": max(len(report.coverage.skipped) - MAX_SKIPPED, 0),
        "severities": severities(report),
        "places": places(counted),
        "groups": by_rule[:MAX_RULES],
        "more_rules": max(len(by_rule) - MAX_RULES, 0),
        "known": known[:MAX_RULES],
        "known_count": len(report.findings) - len(counted),
    }


def _visible(value: object) -> object:
    """Text without what hides or reorders text; what the template itself made is left as it is."""
    return printable(" ".join(value.split())) if type(value) is str else value


def _value(metric: Metric) -> str:
    unit = "" if metric.unit == "1" else f" {metric.unit}"
    if metric.ci is None:
        return f"{metric.value:.4g}{unit}"
    return f"{metric.value:.3f} [{metric.ci.low:.3f}, {metric.ci.high:.3f}]{unit}"


def _words(name: str) -> str:
    return name.replace("_", " ")
