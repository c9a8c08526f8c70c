# SPDX-License-Identifier: Apache-2.0
"""CycloneDX 1.6 (ECMA-424): a report's findings on packages as a vulnerability disclosure report.

Findings that name neither a CVE nor a package have no place in it; they are counted. Its list of components holds
the packages that findings are about, and says that it is not complete.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import unquote

from wardein import __version__, wire
from wardein.export.alerts import digest, weaknesses
from wardein.export.text import one_line
from wardein.report import Finding, Report
from wardein.scan.catalogue import known_rules

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
SUBJECT = "subject"
MAX_PLACES = 50
# What a subject is, by the name that it goes by.
_KINDS = {"image": "container", "model": "machine-learning-model", "data": "data", "source": "application"}


def render(report: Report) -> str:
    """The CycloneDX document of one report; the same report gives the same document."""
    told = [finding for finding in report.findings if finding.cve or finding.purl]
    purls = sorted({_text(finding.purl) for finding in told if _is_purl(finding.purl)})
    document = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:wardein:core:{wire.core_sha256(report)}')}",
        "version": 1,
        "metadata": _metadata(report, len(report.findings) - len(told)),
        "components": [_package(purl) for purl in purls],
        "compositions": [{"aggregate": "incomplete", "assemblies": [SUBJECT]}],
        "vulnerabilities": [_vulnerability(group) for group in _grouped(told)],
    }
    return json.dumps(document, indent=2) + "\n"


def _metadata(report: Report, left_out: int) -> dict[str, Any]:
    own = {"type": "application", "bom-ref": "wardein", "name": "wardein", "version": __version__}
    tools = [own] + [
        {"type": "application", "bom-ref": f"tool-{n}", "name": _text(tool.name), "version": _text(tool.version)}
        for n, tool in enumerate(report.tools, 1)
    ]
    coverage = report.coverage
    said = {
        "check": report.check,
        "verdict": str(report.verdict),
        "reason": report.reason,
        "examined": f"{coverage.examined} of {coverage.expected} {coverage.unit}",
        "not-examined": str(len(coverage.skipped)),
        "findings-without-a-package": str(left_out),
        "verdict-core": f"sha256:{wire.core_sha256(report)}",
    }
    finished = str(report.execution.get("finished", ""))
    return {
        **({"timestamp": finished} if finished else {}),
        "tools": {"components": tools},
        "component": _subject(report),
        "properties": _properties(said.items()),
    }


def _subject(report: Report) -> dict[str, Any]:
    if not report.subject:
        return {"type": "file", "bom-ref": SUBJECT, "name": "nothing-was-examined"}
    first = report.subject[0]
    return {
        "type": _KINDS.get(first.name, "file"),
        "bom-ref": SUBJECT,
        "name": _text(first.name),
        "version": f"sha256:{first.digest}",
        "hashes": [{"alg": "SHA-256", "content": subject.digest} for subject in report.subject],
    }


def _package(purl: str) -> dict[str, Any]:
    """A component, by what its package URL says: pkg:type/namespace/name@version?qualifiers#subpath."""
    path = purl.partition("#")[0].partition("?")[0].removeprefix("pkg:").partition("/")[2]
    name, _, version = path.rpartition("@") if "@" in path.rpartition("/")[2] else (path, "", "")
    group, _, last = name.rpartition("/")
    named = {"group": _text(unquote(group)), "version": _text(unquote(version))}
    return {
        "type": "library",
        "bom-ref": purl,
        "name": _text(unquote(last)) or "unknown",
        **{key: value for key, value in named.items() if value},
        "purl": purl,
    }


def _grouped(findings: Iterable[Finding]) -> list[list[Finding]]:
    """One vulnerability of one package, wherever it was found; what is suppressed stands apart from what is not."""
    ordered = sorted(findings, key=lambda f: (*_identity(f), f.severity.rank, f.rule, f.location, f.fingerprint))
    return [list(group) for _, group in groupby(ordered, _identity)]


def _identity(finding: Finding) -> tuple[str, str, str]:
    return (finding.cve or finding.rule, finding.purl, finding.suppressed)


def _vulnerability(group: Sequence[Finding]) -> dict[str, Any]:
    worst = group[0]
    name = worst.cve or worst.rule
    rule = known_rules().get(worst.rule)
    cwes = dict.fromkeys(int(number) for finding in group for number in weaknesses(finding))
    aliases = sorted({f.rule for f in group} - {name})
    said = [("rule", worst.rule), ("fails", str(any(f.fails for f in group)).lower())]
    said += [("fingerprint", mark) for mark in dict.fromkeys(f.fingerprint for f in group)][:MAX_PLACES]
    said += [("place", place) for place in dict.fromkeys(f.place for f in group if f.place)][:MAX_PLACES]
    said += [("reported-by", tool) for tool in dict.fromkeys(t for f in group for t in f.taxonomy) if ":" in tool]
    told = {
        "bom-ref": f"finding-{digest(*_identity(worst))}",
        "id": _text(name),
        # Who published the other names is not known.
        "references": [{"id": _text(alias), "source": {}} for alias in aliases],
        "ratings": [{"source": {"name": "wardein"}, "severity": str(worst.severity), "method": "other"}],
        "cwes": list(cwes),
        "description": _text(worst.message),
        "recommendation": _text(rule.mend) if rule else "",
        "analysis": _analysis(worst) if worst.suppressed else {},
        "affects": [{"ref": _text(worst.purl) if _is_purl(worst.purl) else SUBJECT}],
        "properties": _properties(said),
    }
    return {key: value for key, value in told.items() if value}


def _analysis(finding: Finding) -> dict[str, str]:
    """Nobody has said that it does no harm: only that it was there before."""
    detail = f"An earlier report had it already ({finding.suppressed}); it does not fail the check."
    return {"state": "in_triage", "detail": _text(detail)}


def _properties(said: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": f"wardein:{name}", "value": _text(value)} for name, value in said]


def _is_purl(text: str) -> bool:
    return text.startswith("pkg:")


def _text(text: str) -> str:
    return one_line(text)
