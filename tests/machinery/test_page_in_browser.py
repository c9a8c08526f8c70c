# SPDX-License-Identifier: Apache-2.0
"""The report page as a person sees it: in a headless browser, without network, on paper, and with enough contrast."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from wardein.html import page
from wardein.report import Coverage, Criterion, Finding, Interval, Metric, Report, Severity, conclude

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
# WCAG 2.2, success criterion 1.4.3, for text of ordinary size.
LEAST_CONTRAST = 4.5


def report() -> Report:
    curve = [
        Metric("robust_accuracy", 0.9 - e, 200, ci=Interval(0.8 - e, 0.95 - e), slice=f"attack=worst, epsilon={e:g}")
        for e in (0.0, 0.1, 0.2)
    ]
    concluded = conclude(
        coverage=Coverage("rows", 200, 200),
        metrics=curve,
        criteria=[Criterion("robust_accuracy", ">=", 0.75, "ci_low", "attack=worst, epsilon=0.1")],
        findings=[Finding("robustness/flip", Severity.INFO, "raise duration from 24 to 26", "row 12", fails=False)],
    )
    return replace(concluded, check="evaluate_robustness", version="1")


def browser(page_file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The browser, which can resolve no name and so reach nobody."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={page_file.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    return subprocess.run(
        [*command, *options, page_file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page.render(report()), encoding="utf-8")
    return path


@in_browser
def test_a_browser_shows_verdict_picture_and_words_in_this_order(file: Path) -> None:
    shown = browser(file, "--dump-dom").stdout
    places = [shown.index(text) for text in ('class="verdict">FAIL', "<svg", 'class="words">', "<h3>Criteria</h3>")]
    assert places == sorted(places)
    assert "robust accuracy against epsilon" in shown


@in_browser
def test_it_is_a_picture_and_prints(file: Path) -> None:
    picture, paper = file.with_suffix(".png"), file.with_suffix(".pdf")
    browser(file, f"--screenshot={picture}", "--window-size=1080,1400")
    browser(file, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    assert paper.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_stands_out_from_its_paper(scheme: str) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", page.TEMPLATE.read_text(encoding="utf-8"))
    colours = dict(re.findall(r"--([\w]+): (#[0-9a-f]{3,6})", blocks[0 if scheme == "light" else 1]))
    assert {"ink", "soft", "paper", "PASS", "FAIL", "ERROR"} <= set(colours)
    for name in ("ink", "soft", "PASS", "FAIL", "ERROR", "NOT_APPLICABLE", "critical"):
        assert contrast(colours[name], colours["paper"]) >= LEAST_CONTRAST, name


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2, 1 to 21)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
