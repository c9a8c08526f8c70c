# SPDX-License-Identifier: Apache-2.0
"""The report page: self-contained, escaped, with pictures, the same bytes for the same report."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markupsafe import escape

from wardein.errors import WardeinError
from wardein.export import grouped
from wardein.html import page
from wardein.html.pictures import pictures
from wardein.report import (
    BASELINE,
    Coverage,
    Criterion,
    Finding,
    Interval,
    Metric,
    Report,
    Severity,
    Skipped,
    conclude,
)
from wardein.scan.catalogue import known_rules

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


def test_what_hides_or_reorders_text_is_made_visible() -> None:
    text = page.render(report(findings=[Finding("r\x1b", Severity.HIGH, "a\u202eb\x00c", "d\u200be")]))
    assert not re.search("[\x00\x1b\u200b\u202e]", text)
    assert "a?b?c" in text


def scan(*findings: Finding, **coverage: object) -> Report:
    made = conclude(coverage=Coverage("files", 3, 3, **coverage), findings=findings)  # type: ignore[arg-type]
    return replace(made, check="scan_code", version="1")


def sections(text: str) -> list[str]:
    """The blocks of the rules, in their order."""
    return text.split('<div class="rule">')[1:]


LOAD = Finding("code/pickle-load", Severity.HIGH, "unpickles", "a.py", cwe="CWE-502", line=3, taxonomy=("bandit:B301",))


def test_findings_stand_by_rule_with_place_weakness_tools_and_what_to_do() -> None:
    rule = known_rules()[LOAD.rule]
    noted = Finding("code/x", Severity.CRITICAL, "m", "c.py", fails=False)
    (first, second) = sections(page.render(scan(noted, replace(LOAD, location="b.py", part="cell 2"), LOAD)))
    assert "code/pickle-load</b>" in first
    assert "× 2" in first
    assert "CWE-502" in first
    assert first.index("a.py, line 3") < first.index("b.py, cell 2, line 3")
    assert first.count("by bandit:B301") == 2
    assert first.count("unpickles") == 1
    assert "noted only" in second
    folded = first[first.index("<details") : first.index("</details>")]
    assert str(escape(rule.why)) in folded
    assert str(escape(rule.mend)) in folded
    assert "<details open" not in first


def test_messages_that_differ_stand_at_their_places() -> None:
    (block,) = sections(
        page.render(scan(LOAD, replace(LOAD, location="b.py", message="unpickles what was downloaded")))
    )
    assert re.search(r"b\.py, line 3</td><td[^>]*>unpickles what was downloaded", block)


def test_hundreds_of_findings_are_folded_and_none_is_lost() -> None:
    many = [replace(LOAD, rule=f"r/{n % 20}", location=f"src/{n % 30}.py", line=n) for n in range(500)]
    text = page.render(scan(*many))
    assert len(sections(text)) == 20
    for block in sections(text):
        shown, _, folded = block.partition('<details class="rest">')
        assert shown.count('class="place"') == grouped.SHOWN
        assert f"{25 - grouped.SHOWN} more" in folded
        assert shown.count('class="place"') + folded.count('class="place"') == 25
    assert len(text) < 250_000


def test_what_is_left_out_is_counted() -> None:
    many = [replace(LOAD, line=n) for n in range(grouped.MAX_PLACES + 7)]
    many += [replace(LOAD, rule=f"r/{n}") for n in range(grouped.MAX_RULES + 2)]
    text = page.render(scan(*many))
    assert "and 7 more; the evidence lists all" in text
    assert "and 3 more rules; the evidence lists all" in text


def test_where_most_findings_are() -> None:
    found = [
        replace(LOAD, location=f"{name}.py", line=n) for name, times in (("few", 2), ("most", 6)) for n in range(times)
    ]
    found += [
        Finding("c", Severity.CRITICAL, "m", "worst.py"),
        replace(LOAD, location="most.py", severity=Severity.LOW),
    ]
    text = page.render(scan(*found))
    table = text[text.index('<table class="places">') :].partition("</table>")[0]
    assert re.findall(r"(\w+)\.py", table) == ["worst", "most", "few"]
    assert 'aria-label="6 high, 1 low"' in table
    assert 'class="fill-high" style="width: 85.71%"' in table
    assert '<table class="places">' not in page.render(scan(LOAD))


def test_what_an_earlier_report_had_is_folded_apart_and_not_counted() -> None:
    known = replace(LOAD, fails=False, suppressed=BASELINE, message="an old one")
    text = page.render(scan(known, Finding("new", Severity.LOW, "m")))
    before, _, after = text.partition('<details class="known">')
    assert "1 known finding: an earlier report had it already" in after
    assert "an old one" not in before
    assert "1 low" in before
    assert "1 high" not in text
    assert "noted only" not in after


def test_what_was_not_examined_stands_above_everything_else() -> None:
    skipped = tuple(Skipped(f"b{n}.py", "does not parse") for n in range(page.MAX_SKIPPED + 4))
    made = conclude(coverage=Coverage("files", 600, 90, skipped), findings=[LOAD])
    text = page.render(replace(made, check="scan_code"))
    assert made.verdict == "ERROR"
    assert text.index("Not examined") < text.index("b0.py</td>") < text.index("Findings")
    assert "and 4 more; the evidence lists all" in text


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page.render(report(*curve(), *groups("1", "2")))
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)=\"(?!#)", text.replace('xlink:href="#', 'href="#'))


def test_the_same_report_gives_the_same_page() -> None:
    made = report(*curve(), *curve(attack="pgd"), *groups("1", "2"))
    assert page.render(made) == page.render(made)


def test_a_decision_shows_what_it_rests_on() -> None:
    text = page.render(replace(report(), check="gate", appendix=(report(*curve(), findings=[LOAD, LOAD]),)))
    assert text.startswith("<!doctype html>")
    assert '<span class="sev key high">2 high</span>' in text.partition("</section>")[0]
    assert "What was checked" in text
    assert "evaluate robustness" in text
    assert "<svg" in text


def test_missing_packages_are_found_out_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(WardeinError, match=r"pip install 'wardein\[html\]'"):
        page.check_installed()
