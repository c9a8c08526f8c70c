# SPDX-License-Identifier: Apache-2.0
"""The report page: self-contained, escaped, with pictures, the same bytes for the same report."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from wardein.errors import WardeinError
from wardein.html import page
from wardein.html.pictures import pictures
from wardein.report import Coverage, Criterion, Finding, Interval, Metric, Report, Severity, Skipped, conclude

EVIL = "<script>alert(1)</script>$\\frac{$"


def report(*metrics: Metric, **more: object) -> Report:
    concluded = conclude(coverage=Coverage("rows", 10, 10), metrics=metrics, **more)
    return replace(concluded, check="evaluate_robustness", version="1")


def curve(name: str = "robust_accuracy", attack: str = "fgsm") -> list[Metric]:
    points = [(0.0, 0.9), (0.1, 0.7), (0.2, 0.5)]
    return [
        Metric(name, y, 100, ci=Interval(y - 0.1, y + 0.1), slice=f"attack={attack}, epsilon={x}") for x, y in points
    ]


def groups(*names: str) -> list[Metric]:
    return [
        Metric("selection_rate", 0.1 * n + 0.2, 50, ci=Interval(0.1, 0.9), slice=f"sex={x}")
        for n, x in enumerate(names)
    ]


def test_a_metric_over_epsilon_is_a_curve_and_one_over_groups_is_not() -> None:
    assert "against epsilon" in pictures(report(*curve()))[0]
    assert "by group" in pictures(report(*groups("1", "2")))[0]


def test_what_does_not_differ_is_no_picture() -> None:
    assert pictures(report(Metric("a", 0.5, 1))) == []
    assert pictures(report(*[replace(metric, value=0.5) for metric in curve()])) == []
    assert pictures(report(*[replace(metric, unit="queries") for metric in curve()])) == []


def test_more_groups_than_a_picture_can_show() -> None:
    assert pictures(report(*groups(*map(str, range(25))))) == []


def test_what_comes_from_data_is_escaped() -> None:
    finding = Finding(EVIL, Severity.HIGH, EVIL, EVIL)
    made = report(
        *groups(EVIL, "b"),
        findings=[finding],
        criteria=[Criterion("a" + EVIL, ">=", 1)],
    )
    made = replace(made, parameters={EVIL: EVIL}, coverage=Coverage("rows", 2, 1, (Skipped(EVIL, EVIL),)))
    text = page.render(made)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 8


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page.render(report(*curve(), *groups("1", "2")))
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)=\"(?!#)", text.replace('xlink:href="#', 'href="#'))


def test_the_same_report_gives_the_same_page() -> None:
    made = report(*curve(), *curve(attack="pgd"), *groups("1", "2"))
    assert page.render(made) == page.render(made)


def test_a_decision_shows_what_it_rests_on() -> None:
    text = page.render(replace(report(), check="gate", appendix=(report(*curve()),)))
    assert "What was checked" in text
    assert "evaluate robustness" in text
    assert "<svg" in text


def test_missing_packages_are_found_out_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(WardeinError, match=r"pip install 'wardein\[html\]'"):
        page.check_installed()
