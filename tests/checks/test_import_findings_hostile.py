# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a report: it is read or refused with the one error that is meant, and bad news stays bad news."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.foreign import GOLDENS, Golden
from wardein.checks.import_findings import UNKNOWN, import_findings
from wardein.errors import WardeinError
from wardein.foreign import document
from wardein.foreign.text import inside, one_line, told
from wardein.report import Report, Verdict
from wardein.wire import to_json

pytestmark = pytest.mark.scanners

SOME = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["", "sha256:", "CVE-2020-1", "../x", "file:///a/b", "\u202e", "critical", "2.1.0", "pass", "absent"]
    ),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just({"text": {}}),
)
# The finding that makes each report fail, with whatever its severity rests on: nothing else may excuse it.
BAD_NEWS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "ran/bandit.json": (("results", 6),),
    "ran/semgrep.json": (("results", 0),),
    "ran/semgrep.sarif": (("runs", 0, "results", 0), ("runs", 0, "tool")),
    "ran/gitleaks.json": ((0,),),
    "ran/checkov.json": (("results", "failed_checks", 0),),
    "ran/trivy-image.sarif": (("runs", 0, "results", 0), ("runs", 0, "tool")),
    "ran/modelaudit.json": (("issues", 0),),
    "ran/pip-audit.json": (("dependencies", 0),),
    "written/zap.json": (("site", 0, "alerts", 0),),
    "written/clair.json": (("vulnerabilities", "500"), ("package_vulnerabilities", "10"), ("packages", "10")),
    "written/grype.json": (("matches", 0),),
    "written/snyk.json": (("vulnerabilities", 0),),
    "written/safety.json": (("vulnerabilities", 0),),
    "written/trufflehog.jsonl": ((2,),),
    "written/codeql.sarif": (("runs", 0, "results", 0), ("runs", 0, "tool")),
    "written/npm-audit.json": (("vulnerabilities", "lodash"),),
}


def run(golden: Golden, content: bytes) -> Report | WardeinError:
    """The check itself, so that anything but the one error is seen."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report")
        path.write_bytes(content)
        try:
            return import_findings(
                subject=golden.subject.partition(":")[2],
                findings=path,
                kind="source",
                target=golden.target,
                max_age_hours=1e6,
                accept_unknown=list(UNKNOWN),
            )
        except WardeinError as error:
            return error


def text_of(golden: Golden, value: Any) -> bytes:
    if golden.file.suffix == ".jsonl" and isinstance(value, list):
        return "".join(f"{json.dumps(line)}\n" for line in value).encode()
    return json.dumps(value).encode()


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if here:
        yield here
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(item, (*here, key))


def changed(draw: st.DrawFn, value: Any, where: list[tuple[Any, ...]]) -> Any:
    """The value with one place dropped, doubled, replaced by junk, or given a member more."""
    value = copy.deepcopy(value)
    path = draw(st.sampled_from(where))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    action = draw(st.sampled_from(["drop", "junk", "junk", "more", "swap"]))
    if action == "drop":
        del parent[path[-1]]
    elif action == "junk":
        parent[path[-1]] = draw(JUNK)
    elif action == "more" and isinstance(parent[path[-1]], dict):
        name = draw(st.sampled_from(["suppressions", "is_ignored", "ignored", "error", "hashes", "level", "x"]))
        parent[path[-1]][name] = draw(JUNK)
    elif action == "swap":
        other = value
        for key in draw(st.sampled_from(where)):
            other = other[key]
        parent[path[-1]] = copy.deepcopy(other)
    return value


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_any_change_is_read_or_refused(name: str) -> None:
    golden = GOLDENS[name]
    value = golden.load()
    where = list(paths(value))

    @SOME
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        mutant = value
        for _ in range(data.draw(st.integers(1, 3))):
            places = list(paths(mutant)) or where
            try:
                mutant = changed(data.draw, mutant, places)
            except (KeyError, IndexError, TypeError):
                return
        outcome = run(golden, text_of(golden, mutant))
        if isinstance(outcome, Report):
            json.dumps(to_json(outcome), ensure_ascii=False, allow_nan=False).encode()
            for finding in outcome.findings:
                assert finding.message.isprintable()
                assert finding.location.isprintable()
                assert ".." not in finding.location.split("/") or finding.location == ""

    if where:
        holds()


@pytest.mark.parametrize("name", sorted(BAD_NEWS))
def test_bad_news_is_not_excused_by_what_stands_beside_it(name: str) -> None:
    golden, kept = GOLDENS[name], BAD_NEWS[name]
    value = golden.load()
    assert getattr(run(golden, text_of(golden, value)), "verdict", None) is Verdict.FAIL
    beside = [p for p in paths(value) if not any(p[: len(k)] == k or k[: len(p)] == p for k in kept)]
    if isinstance(value, list):  # dropping a neighbour would move what is kept
        beside = [p for p in beside if len(p) > 1]

    @SOME
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        mutant = changed(data.draw, value, [p for p in beside if not _moves(p, kept)])
        outcome = run(golden, text_of(golden, mutant))
        assert isinstance(outcome, WardeinError) or outcome.verdict is not Verdict.PASS

    if beside:
        holds()


def _moves(path: tuple[Any, ...], kept: tuple[tuple[Any, ...], ...]) -> bool:
    """Whether dropping it would shift the numbers of what is kept (and a swap would then hit that)."""
    return isinstance(path[-1], int) and any(len(k) >= len(path) and k[: len(path) - 1] == path[:-1] for k in kept)


@pytest.mark.parametrize("name", sorted(BAD_NEWS))
def test_excuses_in_the_report_do_not_count(name: str) -> None:
    golden = GOLDENS[name]
    value = golden.load()
    excuses: dict[str, Any] = {
        "suppressions": [{"kind": "external", "status": "accepted", "justification": "ours"}],
        "baselineState": "unchanged",
        "suppressed": True,
        "ignored": True,
        "confidence": "0",
        "isIgnored": True,
    }
    target: Any = value
    for key in BAD_NEWS[name][0]:
        target = target[key]
    if isinstance(target, dict):
        target.update(excuses)
        if "extra" in target:
            target["extra"]["is_ignored"] = True
    outcome = run(golden, text_of(golden, value))
    assert isinstance(outcome, WardeinError) or outcome.verdict is not Verdict.PASS


@SOME
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_bytes_without_sense(content: bytes) -> None:
    with contextlib.suppress(WardeinError):
        document.parse(content)


@SOME
@given(st.text(max_size=400), st.lists(st.text(max_size=20), max_size=3))
def test_words_and_places(text: str, roots: list[str]) -> None:
    for line in (one_line(text), told(text)):
        assert line.isprintable()
        assert len(line) <= 300
    try:
        place = inside(text, roots)
    except WardeinError:
        return
    assert place.isprintable()
    assert not place.startswith("/")
    assert ".." not in place.split("/")
