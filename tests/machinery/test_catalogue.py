# SPDX-License-Identifier: Apache-2.0
"""The rules of all rooms: each has its words, no two have one name, and listing them costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import wardein
from wardein.report import Severity
from wardein.scan import catalogue
from wardein.scan.rules import Rule

pytestmark = pytest.mark.scanners


@pytest.fixture
def _anew() -> Iterator[None]:
    catalogue.known_rules.cache_clear()
    yield
    catalogue.known_rules.cache_clear()


def test_every_rule_says_why_and_what_to_do_instead() -> None:
    rules = catalogue.known_rules()
    assert {name.partition("/")[0] for name in rules} >= {"code"}
    for name, rule in rules.items():
        assert rule.id == name
        assert isinstance(rule.severity, Severity)
        assert all(text.strip() and "\n" not in text for text in (rule.title, rule.why, rule.mend)), name
        assert re.fullmatch(r"(CWE-[1-9][0-9]*)?", rule.cwe), name
        assert all(":" in other for other in rule.taxonomy), name


def test_no_room_is_forgotten() -> None:
    package = Path(str(wardein.__file__)).parent
    rooms = {path.parent.name for path in package.glob("*/rules.py") if re.search(r"^RULES\b", path.read_text(), re.M)}
    assert rooms == set(catalogue.ROOMS)


@pytest.mark.usefixtures("_anew")
def test_two_rules_of_one_name_are_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule("code/x", Severity.LOW, "t", "w", "m")
    for room in catalogue.ROOMS:
        module = ModuleType(f"wardein.{room}.rules")
        module.RULES = (rule,)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"wardein.{room}.rules", module)
    with pytest.raises(ValueError, match="two rules are called code/x"):
        catalogue.known_rules()


def test_listing_them_imports_nothing_heavy() -> None:
    code = (
        "import sys; from wardein.scan.catalogue import known_rules; known_rules();"
        "print(sorted({'yaml', 'jinja2', 'bandit', 'packaging', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
