# SPDX-License-Identifier: Apache-2.0
"""The JSON form of a report, both ways, and its *verdict core*.

``docs/report.md`` is the normative page. The verdict core is the part that must be the same for the
same inputs wherever the check ran: canonical JSON without clocks, paths or run identifiers, known by
its sha256.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wardein.errors import WardeinError
from wardein.jsontext import canonical
from wardein.report import (
    BASELINE,
    Coverage,
    Criterion,
    Finding,
    Input,
    Interval,
    Metric,
    Report,
    Severity,
    Skipped,
    Tool,
    Verdict,
)
from wardein.subject import Subject


def parameters_digest(report: Report) -> str:
    """The sha256 over the canonical JSON of a report's parameters."""
    return hashlib.sha256(canonical(report.parameters, fix_floats=True)).hexdigest()


def core(report: Report) -> bytes:
    """The verdict core as RFC 8785 JSON; every float is a string of six decimals."""
    members = {
        "subject": sorted(s.digest for s in report.subject),
        "check": {"id": report.check, "version": report.version},
        "tools": sorted([t.name, t.version] for t in report.tools),
        "parametersDigest": parameters_digest(report),
        "inputs": sorted([i.name, i.digest] for i in report.inputs),
        "coverage": _coverage_json(report.coverage),
        "verdict": str(report.verdict),
    }
    written = {name: canonical(value, fix_floats=True) for name, value in members.items()}
    written["metrics"] = _sorted(_metric_json(m) for m in report.metrics)
    written["findings"] = _sorted(_finding_json(f) for f in report.findings)
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), written[name]) for name in sorted(written))


def core_sha256(report: Report) -> str:
    """The identity of a report's verdict core."""
    return hashlib.sha256(core(report)).hexdigest()


def to_json(report: Report) -> dict[str, Any]:
    """The predicate, as plain JSON values."""
    return {
        "check": {"id": report.check, "version": report.version},
        "tools": [_tool_json(t) for t in report.tools],
        "parameters": dict(report.parameters),
        "parametersDigest": parameters_digest(report),
        "inputs": [_input_json(i) for i in report.inputs],
        "coverage": _coverage_json(report.coverage),
        "metrics": [_metric_json(m) for m in report.metrics],
        "criteria": [_criterion_json(c) for c in report.criteria],
        "findings": [_finding_json(f) for f in report.findings],
        "verdict": str(report.verdict),
        "reason": report.reason,
        "execution": dict(report.execution),
        "nonce": report.nonce,
        "validUntil": report.valid_until,
        "policyDigest": report.policy_digest,
    }


def from_json(data: Mapping[str, Any], subject: Sequence[Subject] = ()) -> Report:
    """Read a predicate back.

    Raises:
        WardeinError: If a field is missing, of the wrong type, or contradicts another.
    """
    try:
        report = _read(data, tuple(subject))
        claimed_digest, claimed_complete = data["parametersDigest"], data["coverage"]["complete"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WardeinError(
            f"not a check result ({type(error).__name__}: {error})", mend="see docs/report.md for the format"
        ) from None
    if claimed_digest != parameters_digest(report):
        raise WardeinError("the parameters digest is not that of the parameters", where=report.check)
    if claimed_complete is not report.coverage.complete:
        raise WardeinError("the coverage's own numbers do not say what its 'complete' says", where=report.check)
    return report


def _sorted(items: Iterable[dict[str, Any]]) -> bytes:
    """A canonical array, in an order that depends on nothing but the items' content."""
    return b"[%b]" % b",".join(sorted(canonical(item, fix_floats=True) for item in items))


def _drop(**items: Any) -> dict[str, Any]:
    """Optional JSON members are left out when they are empty."""
    return {key: value for key, value in items.items() if value not in (None, "", ())}


def _input_json(item: Input) -> dict[str, Any]:
    return {"name": item.name, "role": item.role, "digest": item.digest, "bytes": item.bytes, **_drop(rows=item.rows)}


def _tool_json(tool: Tool) -> dict[str, Any]:
    db = _drop(name=tool.db_name, updated=tool.db_updated)
    return {"name": tool.name, "version": tool.version, **_drop(sha256=tool.sha256, db=db or None)}


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "unit": coverage.unit,
        "expected": coverage.expected,
        "examined": coverage.examined,
        "skipped": [{"what": s.what, "reason": s.reason} for s in coverage.skipped],
        "complete": coverage.complete,
    }


def _metric_json(metric: Metric) -> dict[str, Any]:
    ci = metric.ci and {
        "low": float(metric.ci.low),
        "high": float(metric.ci.high),
        "level": float(metric.ci.level),
        "method": metric.ci.method,
    }
    return {
        "name": metric.name,
        "value": float(metric.value),
        "unit": metric.unit,
        "n": int(metric.n),
        "direction": metric.direction,
        **_drop(ci=ci, slice=metric.slice),
    }


def _criterion_json(criterion: Criterion) -> dict[str, Any]:
    return {
        "metric": criterion.metric,
        "comparator": criterion.comparator,
        "threshold": float(criterion.threshold),
        "bound": criterion.bound,
        "met": criterion.met,
        "source": criterion.source,
        **_drop(slice=criterion.slice, minN=criterion.min_n or None, note=criterion.note),
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "severity": str(finding.severity),
        "message": finding.message,
        "location": finding.location,
        "fails": finding.fails,
        "fingerprint": finding.fingerprint,
        **_drop(cve=finding.cve, cwe=finding.cwe, purl=finding.purl, taxonomy=list(finding.taxonomy) or None),
        **_drop(line=finding.line or None, part=finding.part, identity=finding.identity),
        **_drop(suppressed=finding.suppressed),
    }


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:
        raise ValueError(f"{value!r:.40} is not a finite number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number is too large") from None


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _one_of(value: Any, allowed: Sequence[Any]) -> Any:
    if value not in allowed or isinstance(value, bool) != isinstance(allowed[-1], bool):
        raise ValueError(f"{value!r} is none of {', '.join(map(str, allowed))}")
    return value


def _read_metric(m: Mapping[str, Any]) -> Metric:
    ci = m.get("ci")
    interval = (
        Interval(_number(ci["low"]), _number(ci["high"]), _number(ci["level"]), _text(ci["method"])) if ci else None
    )
    direction = _one_of(m["direction"], ("higher", "lower", "none"))
    return Metric(
        _text(m["name"]),
        _number(m["value"]),
        _count(m["n"]),
        _text(m["unit"]),
        direction,
        interval,
        _text(m.get("slice", "")),
    )


def _read_criterion(c: Mapping[str, Any]) -> Criterion:
    return Criterion(
        metric=_text(c["metric"]),
        comparator=_one_of(c["comparator"], (">=", "<=")),
        threshold=_number(c["threshold"]),
        bound=_one_of(c["bound"], ("point", "ci_low", "ci_high")),
        slice=_text(c.get("slice", "")),
        min_n=_count(c.get("minN", 0)),
        source=_text(c["source"]),
        met=_one_of(c["met"], (True, False)),
        note=_text(c.get("note", "")),
    )


def _read_finding(f: Mapping[str, Any]) -> Finding:
    # A gate reads findings by the ten thousand: all texts are looked at in one go.
    rule, message, location = texts = f["ruleId"], f["message"], f["location"]
    more = tuple(f.get(name, "") for name in ("cve", "cwe", "purl", "part", "identity", "suppressed"))
    if {*map(type, texts), *map(type, more)} != {str} or type(f["fails"]) is not bool:
        raise TypeError(f"{f!r:.200} is not a finding")
    taxonomy = tuple(map(_text, f["taxonomy"])) if "taxonomy" in f else ()
    cve, cwe, purl, part, identity, suppressed = more
    severity, line = _SEVERITIES[f["severity"]], _count(f["line"]) if "line" in f else 0
    if suppressed not in ("", BASELINE) or (suppressed and f["fails"]):
        raise ValueError(f"{suppressed!r:.40} is no reason why a finding is suppressed")
    return Finding(
        rule, severity, message, location, f["fails"], cve, cwe, taxonomy, purl, line, part, identity, suppressed
    )


_SEVERITIES = {str(severity): severity for severity in Severity}


def _read_tool(t: Mapping[str, Any]) -> Tool:
    db = t.get("db") or {}
    return Tool(
        _text(t["name"]),
        _text(t["version"]),
        _text(t.get("sha256", "")),
        _text(db.get("name", "")),
        _text(db.get("updated", "")),
    )


def _read_input(i: Mapping[str, Any]) -> Input:
    rows = None if i.get("rows") is None else _count(i["rows"])
    return Input(_text(i["name"]), _text(i["role"]), _text(i["digest"]), _count(i["bytes"]), rows)


def _read(data: Mapping[str, Any], subject: tuple[Subject, ...]) -> Report:
    coverage = data["coverage"]
    return Report(
        verdict=Verdict(data["verdict"]),
        reason=_text(data["reason"]),
        coverage=Coverage(
            _text(coverage["unit"]),
            _count(coverage["expected"]),
            _count(coverage["examined"]),
            tuple(Skipped(_text(s["what"]), _text(s["reason"])) for s in coverage["skipped"]),
        ),
        tools=tuple(map(_read_tool, data["tools"])),
        metrics=tuple(map(_read_metric, data["metrics"])),
        criteria=tuple(map(_read_criterion, data["criteria"])),
        findings=tuple(map(_read_finding, data["findings"])),
        check=_text(data["check"]["id"]),
        version=_text(data["check"]["version"]),
        subject=subject,
        parameters=dict(data["parameters"]),
        inputs=tuple(map(_read_input, data["inputs"])),
        execution=dict(data["execution"]),
        nonce=_text(data["nonce"]),
        valid_until=_text(data["validUntil"]),
        policy_digest=_text(data["policyDigest"]),
    )
