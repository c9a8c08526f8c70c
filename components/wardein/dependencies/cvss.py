# SPDX-License-Identifier: Apache-2.0
"""The base score of CVSS 3.0 and 3.1, and the word for it.

Specification: FIRST, Common Vulnerability Scoring System v3.1, sections 5 (ratings), 7 (equations), appendix A
(rounding up).
"""

from __future__ import annotations

from wardein.report import Severity

_ACCESS = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_COMPLEXITY = {"L": 0.77, "H": 0.44}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_INTERACTION = {"N": 0.85, "R": 0.62}
_IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}


def base_score(vector: str) -> float:
    """The base score of a vector such as ``CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H``.

    Raises:
        ValueError: If it is no vector of version 3.0 or 3.1 with every base metric.
    """
    version, *parts = vector.strip().split("/")
    metrics = dict(part.split(":", 1) for part in parts if ":" in part)
    if version not in ("CVSS:3.0", "CVSS:3.1"):
        raise ValueError("not a vector of CVSS 3")
    try:
        changed = {"U": False, "C": True}[metrics["S"]]
        exploitability = 8.22 * _ACCESS[metrics["AV"]] * _COMPLEXITY[metrics["AC"]]
        exploitability *= _PRIVILEGES[metrics["S"]][metrics["PR"]] * _INTERACTION[metrics["UI"]]
        kept = 1.0
        for name in "CIA":
            kept *= 1 - _IMPACT[metrics[name]]
    except KeyError:
        raise ValueError("not a vector of CVSS 3") from None
    lost = 1 - kept
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    return _rounded_up(min((1.08 if changed else 1) * (impact + exploitability), 10))


def rating(score: float) -> Severity:
    """The qualitative rating of a score."""
    ratings = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
    return next((severity for least, severity in ratings if score >= least), Severity.INFO)


def _rounded_up(score: float) -> float:
    """To one decimal, upwards, in whole numbers so that no float's last bit decides."""
    hundred_thousandths = round(score * 100_000)
    if hundred_thousandths % 10_000 == 0:
        return hundred_thousandths / 100_000
    return (hundred_thousandths // 10_000 + 1) / 10
