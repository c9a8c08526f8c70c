# SPDX-License-Identifier: Apache-2.0
"""Which versions an advisory is about, how bad it is, and what is one vulnerability under several names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from wardein.dependencies import known, osv
from wardein.dependencies.cvss import base_score, rating
from wardein.dependencies.declared import Package, Requirement
from wardein.dependencies.known import Answer, Vulnerability
from wardein.report import Severity, Tool

pytestmark = pytest.mark.scanners

# In PEP 440's order, written down by hand.
LADDER = ["0.9", "1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.1", "1.9", "1.10", "2.0", "1!0.1"]


def entry(*events: dict[str, str], versions: tuple[str, ...] = (), kind: str = "ECOSYSTEM") -> dict[str, Any]:
    ranges = [{"type": kind, "events": list(events)}] if events else []
    return {"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": ranges, "versions": list(versions)}


def hit(affected: dict[str, Any]) -> list[str]:
    return [version for version in LADDER if osv.is_affected(affected, version)]


def test_ladder_is_in_order() -> None:
    assert sorted(LADDER, key=Version) == LADDER


@pytest.mark.parametrize(
    ("affected", "expected"),
    [
        (entry({"introduced": "0"}), LADDER),
        (entry({"introduced": "0"}, {"fixed": "1.0"}), LADDER[:4]),
        (entry({"introduced": "1.0"}, {"fixed": "1.10"}), LADDER[4:9]),
        (entry({"introduced": "1.0"}, {"last_affected": "1.0"}), ["1.0"]),
        (entry({"last_affected": "1.0"}, {"introduced": "1.0"}), ["1.0"]),
        (entry({"introduced": "0"}, {"last_affected": "1.9"}), LADDER[:9]),
        # Two stretches in one range, in any order.
        (entry({"fixed": "1.1"}, {"introduced": "1.0"}, {"introduced": "1.9"}, {"fixed": "2.0"}),
         ["1.0", "1.0.post1", "1.0.1", "1.9", "1.10"]),
        (entry({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.0"}), LADDER),
        (entry({"introduced": "0"}, {"limit": "1.0"}), LADDER[:4]),
        (entry({"introduced": "0"}, {"limit": "*"}), LADDER),
        (entry({"introduced": "0"}, {"limit": "1.0"}, {"limit": "1.1"}), LADDER[:7]),
        (entry({"introduced": "1.0", "fixed": "1.1"}), ["1.0", "1.0.post1", "1.0.1"]),
        (entry(versions=("1.0", "2")), ["1.0", "2.0"]),
        (entry(versions=("1.0.0", "v1.1", "odd")), ["1.0", "1.1"]),
        (entry({"introduced": "2.0"}, versions=("0.9",)), ["0.9", "2.0", "1!0.1"]),
        (entry({"introduced": "0"}, {"fixed": "1.0"}, kind="SEMVER"), LADDER[:4]),
        (entry({"introduced": "a"}, versions=("1.0",), kind="GIT"), ["1.0"]),
    ],
)  # fmt: skip
def test_ranges(affected: dict[str, Any], expected: list[str]) -> None:
    assert hit(affected) == expected


@pytest.mark.parametrize(
    "affected",
    [
        entry(),
        entry({"introduced": "0"}, kind="GIT"),
        entry({"fixed": "1.0"}),
        entry({"introduced": "not-a-version"}),
        entry({"introduced": "0"}, {"fixed": "2004d-x"}),
    ],
)
def test_what_is_not_clear_is_not_decided(affected: dict[str, Any]) -> None:
    with pytest.raises(osv.Undecidable):
        osv.is_affected(affected, "1.0")


_RELEASE = st.tuples(*[st.integers(0, 3)] * 2).map(lambda parts: ".".join(map(str, parts)))
_VERSION = st.tuples(_RELEASE, st.sampled_from(["", "a1", "rc1", ".dev1", ".post1"])).map("".join)


@settings(max_examples=400, deadline=None)
@given(bounds=st.lists(st.tuples(_VERSION, st.sampled_from(["fixed", "last_affected"]), _VERSION), max_size=4),
       asked=_VERSION, order=st.randoms(use_true_random=False))  # fmt: skip
def test_ranges_agree_with_a_plain_reading(bounds: list[tuple[str, str, str]], asked: str, order: Any) -> None:
    """Separate ranges of one advisory, each with a beginning and an end: a version is in one of them or it is not."""
    ranges = []
    for low, kind, high in bounds:
        events = [{"introduced": low}, {kind: high}]
        order.shuffle(events)
        ranges.append({"type": "ECOSYSTEM", "events": events})
    at = Version(asked)
    expected = any(
        Version(low) <= at and (at < Version(high) if kind == "fixed" else at <= Version(high))
        for low, kind, high in bounds
        # A range whose end lies before its beginning has no end: OSV's algorithm begins again after it.
        if Version(low) <= Version(high)
    ) or any(
        Version(low) <= at
        for low, kind, high in bounds
        if Version(low) > Version(high) or (Version(low) == Version(high) and kind == "fixed")
    )
    affected = {"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": ranges, "versions": ["99"]}
    assert osv.is_affected(affected, asked) is expected


# Examples of the specification's own calculator and of NVD.
@pytest.mark.parametrize(
    ("vector", "score", "word"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, Severity.CRITICAL),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, Severity.CRITICAL),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, Severity.MEDIUM),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, Severity.HIGH),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, Severity.HIGH),
        ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", 2.5, Severity.LOW),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4, Severity.MEDIUM),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L", 1.6, Severity.LOW),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, Severity.INFO),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P/RL:O", 9.8, Severity.CRITICAL),
    ],
)
def test_base_scores(vector: str, score: float, word: Severity) -> None:
    assert base_score(vector) == score
    assert rating(score) is word


ODD = "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.mark.parametrize("vector", ["", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N", ODD])
def test_what_is_no_vector(vector: str) -> None:
    with pytest.raises(ValueError, match="not a vector"):
        base_score(vector)


V3 = "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N"


@pytest.mark.parametrize(
    ("entries", "specific", "expected"),
    [
        ([{"type": "CVSS_V3", "score": V3}], [{"severity": "CRITICAL"}], Severity.LOW),
        ([{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}], [{"severity": "MODERATE"}], Severity.MEDIUM),
        ([{"type": "CVSS_V3", "score": "junk"}, "junk"], [{"severity": "low"}, {"severity": "HIGH"}], Severity.HIGH),
        ([], [{"severity": "unheard of"}], None),
        ([], [], None),
    ],
)
def test_severity(entries: list[Any], specific: list[Any], expected: Severity | None) -> None:
    assert osv.severity_of(entries, specific) is expected


# One vulnerability, several names

PACKAGE = Package("pypi", "x", "1")


def told(source: str, identifier: str, *aliases: str, severity: Severity | None = Severity.LOW) -> Answer:
    vulnerability = Vulnerability(PACKAGE, identifier, aliases, "t", ("2",), severity, source=source)
    return Answer(Tool(source, "1"), frozenset({PACKAGE}), (vulnerability,))


def names(*answers: Answer) -> list[str]:
    row = Requirement("r.txt", 1, "x", version="1")
    return sorted({found.rule for found in known.merged(answers, [(row, PACKAGE)]).found})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([told("a", "GHSA-1", "CVE-2024-0001"), told("b", "CVE-2024-0001")], ["CVE-2024-0001"]),
        ([told("a", "PYSEC-1", "GHSA-1"), told("b", "GHSA-1", "CVE-2024-0001")], ["CVE-2024-0001"]),
        ([told("a", "GHSA-1"), told("b", "CVE-2024-0001", "GHSA-1")], ["CVE-2024-0001"]),
        ([told("a", "PYSEC-1", "GHSA-1"), told("b", "GHSA-1")], ["GHSA-1"]),
        ([told("a", "PYSEC-1", "CVE-2024-0001", "CVE-2024-0002"), told("b", "CVE-2024-0002")],
         ["CVE-2024-0001", "CVE-2024-0002"]),
        ([told("a", "PYSEC-1"), told("b", "PYSEC-2")], ["PYSEC-1", "PYSEC-2"]),
        ([told("a", "GHSA-1", "CVE-2024-0001"), told("b", "GHSA-2", "CVE-2024-0002")],
         ["CVE-2024-0001", "CVE-2024-0002"]),
        ([told("a", "GHSA-1", "not an id\n")], ["GHSA-1"]),
    ],
)  # fmt: skip
def test_names_of_one_vulnerability(answers: list[Answer], expected: list[str]) -> None:
    assert names(*answers) == names(*reversed(answers)) == expected


def test_rating_of_any_source_counts_and_none_is_told() -> None:
    row = Requirement("r.txt", 1, "x", version="1")
    unrated = told("a", "CVE-2024-0001", severity=None)
    assert known.merged([unrated], [(row, PACKAGE)]).unrated == {("CVE-2024-0001", "pkg:pypi/x@1")}
    merged = known.merged([unrated, told("b", "CVE-2024-0001")], [(row, PACKAGE)])
    assert not merged.unrated
    assert {found.severity for found in merged.found} == {Severity.LOW}
