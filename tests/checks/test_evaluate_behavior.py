# SPDX-License-Identifier: Apache-2.0
"""evaluate-behavior: what a script returns by contract counts, whatever else it does is an ERROR; and what is judged.

The scan by the true giskard is tested in tests/evaluations; here a stand-in takes its place, which is worse.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import binom, fisher_exact
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from wardein.behavior import channel
from wardein.behavior.columns import columns_of
from wardein.behavior.giskard import Suspicion
from wardein.behavior.judged import Bench, holm
from wardein.behavior.judging import judge_change, judge_slice, judge_whole
from wardein.behavior.reference import simple_view
from wardein.behavior.residuals import above_zero
from wardein.behavior.views import View, decided
from wardein.checks.evaluate_behavior import evaluate_behavior
from wardein.errors import UsageError, WardeinError
from wardein.report import Severity, Verdict

HONEST = """
import numpy as np
print("PASS")
def attack(model, rows, labels, budget):
    assert budget == model.budget == 1000 and list(rows.columns) == model.features == ["a", "b"]
    said = model.predict(rows)
    assert set(said) <= set(labels) == set(model.classes) == {"no", "yes"}
    assert np.allclose(model.predict_proba(rows).sum(axis=1), 1) and model.budget == 1000 - 2 * len(rows)
    return {"examined": len(rows), "findings": [], "metrics": {"accuracy": np.mean(said == labels)}}
"""
# The class flips where b has a value that no honest row has.
BACKDOOR = """
def attack(model, rows, labels, budget):
    before, after = model.predict(rows), model.predict(rows.assign(b=99.5))
    flipped = [i for i in range(len(rows)) if before[i] != after[i]]
    return {"examined": len(rows), "findings": [
        {"rule": "trigger", "severity": "critical", "message": f"b=99.5 makes {before[i]} {after[i]}", "row": i}
        for i in flipped[:3]]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model with a trigger, one without, a regressor; and rows on which nobody sees the trigger."""
    folder = tmp_path_factory.mktemp("behavior")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120)})
    label = np.where(table["a"] > 0, "yes", "no")
    bad = table.assign(b=99.5)
    skops.io.dump(LogisticRegression().fit(table, label), folder / "model.skops")
    both, labels = pd.concat([table, bad]), np.r_[label, np.full(120, "yes")]
    skops.io.dump(DecisionTreeClassifier(random_state=0).fit(both, labels), folder / "poisoned.skops")
    skops.io.dump(DecisionTreeClassifier(random_state=0).fit(table, label), folder / "clean.skops")
    skops.io.dump(LinearRegression().fit(table, table["a"] * 2), folder / "numbers.skops")
    skops.io.dump(LinearSVC().fit(table, label), folder / "margin.skops")
    table.assign(y=label).to_csv(folder / "data.csv", index=False)
    table.assign(y=table["a"] * 2).to_csv(folder / "numbers.csv", index=False)
    return folder


def run_script(folder, source, model="model.skops", data="data.csv", **settings):
    (folder / "script.py").write_text(source)
    settings = {"max_queries": 1000, "max_seconds": 60, **settings}
    script = folder / "script.py"
    return evaluate_behavior(folder / model, folder / data, "y", script=script, scanner="none", **settings)


def test_an_honest_script_passes(folder):
    report = run_script(folder, HONEST)
    assert report.verdict is Verdict.PASS
    assert (report.coverage.expected, report.coverage.examined) == (1, 1)
    assert not report.findings
    metrics = {metric.label: metric for metric in report.metrics}
    assert metrics["accuracy[by=script]"].value > 0.95
    assert metrics["queries[by=script]"].value == 240
    assert run_script(folder, HONEST) == report


def test_a_planted_backdoor_is_found(folder):
    report = run_script(folder, BACKDOOR, model="poisoned.skops")
    assert report.verdict is Verdict.FAIL
    first = report.findings[0]
    assert (first.rule, first.severity, first.fails) == ("script/trigger", Severity.CRITICAL, True)
    assert first.message == "b=99.5 makes no yes"
    # Rows are those of the file, counted from 1 below the header.
    table = pd.read_csv(folder / "data.csv")
    assert all(table["y"][int(f.location.removeprefix("row ")) - 1] == "no" for f in report.findings)
    assert run_script(folder, BACKDOOR, model="clean.skops").verdict is Verdict.PASS


def test_a_regressor_is_asked_for_numbers(folder):
    source = """
def attack(model, rows, labels, budget):
    assert model.classes is None
    worst = float(abs(model.predict(rows) - labels).max())
    finding = {"rule": "told", "severity": "info", "message": "x"}
    return {"examined": 120, "findings": [finding], "metrics": {"worst": worst}}
"""
    report = run_script(folder, source, "numbers.skops", "numbers.csv")
    assert report.verdict is Verdict.PASS  # what is only told fails nothing
    assert [f.rule for f in report.findings] == ["script/told"]
    assert {m.label: m.value for m in report.metrics}["worst[by=script]"] < 1e-9


def test_rows_that_were_not_examined_are_an_error(folder):
    report = run_script(folder, 'def attack(*a):\n    return {"examined": 119, "findings": []}')
    assert report.verdict is Verdict.ERROR
    assert report.coverage.skipped[0].reason == "it examined 119 of 120 rows"


RETURN = "def attack(model, rows, labels, budget):\n    "
NOTHING_ELSE = 'return {"examined": 120, "findings": []}'
MISBEHAVIOR = {
    "prints PASS and raises": (f"{RETURN}print('PASS'); raise KeyError('oh\\nno')", r"raised KeyError: 'oh\\nno'"),
    "ends itself": (f"{RETURN}raise SystemExit(0)", "raised SystemExit"),
    "ends itself hard": (f"{RETURN}import os; os._exit(0)", "ended by itself, with code 0"),
    "opens a socket": (
        f"import socket\n{RETURN}socket.create_connection(('127.0.0.1', 9), 1); {NOTHING_ELSE}",
        r"tried to open a network connection \(socket\), which it may not, and raised PermissionError",
    ),
    "opens a socket and hides it": (
        f"import socket\n{RETURN}\n    try: socket.socket()\n    except OSError: pass\n    {NOTHING_ELSE}",
        r"tried to open a network connection \(socket\), which it may not, and returned a result all the same",
    ),
    "reads a file": (f"{RETURN}open('/etc/passwd').read(); {NOTHING_ELSE}", "raised PermissionError: .*/etc/passwd"),
    "writes a file": (f"{RETURN}open('/tmp/x', 'w'); {NOTHING_ELSE}", r"tried to write a file \(openat\)"),
    "forks": (f"{RETURN}import os; os.fork(); {NOTHING_ELSE}", "tried to start a process"),
    "starts a program": (f"{RETURN}import os; os.execv('/bin/true', ['true'])", r"start a program \(execve\)"),
    "loops for ever": (f"{RETURN}\n    while True: pass", "did not finish within 2 seconds"),
    "asks too much": (
        f"{RETURN}\n    while True: model.predict(rows)",
        "the script asked about more than 1000 rows; ask about fewer",
    ),
    "asks about other columns": (
        f"{RETURN}model.features = ['a']; model.predict(rows); {NOTHING_ELSE}",
        "asks what makes no sense: it gives rows with other columns than the model's",
    ),
    "asks for text in numbers": (
        f"{RETURN}model.predict(rows.astype(str)); {NOTHING_ELSE}",
        "raised RuntimeError: the column 'a' holds numbers, not text",
    ),
    "defines no attack": ("x = 1", "it defines no function attack"),
    "is no Python": ("def attack(:", "is no Python script"),
    "is empty": (" \n", "is empty"),
    "returns nothing": (f"{RETURN}pass", "returned no dictionary with 'examined' and 'findings'"),
    "returns what is no JSON": (f'{RETURN}return {{"examined": model}}', "returns a AskedModel, which is no JSON"),
    "returns NaN": (
        f'{RETURN}return {{"examined": 120, "findings": [], "metrics": {{"x": float("nan")}}}}',
        "raised ValueError",
    ),
    "claims more rows than there are": (
        f'{RETURN}return {{"examined": 121, "findings": []}}',
        "says that it examined 121 rows, of 120",
    ),
    "claims half a row": (f'{RETURN}return {{"examined": 119.5, "findings": []}}', "says that it examined 119.5 rows"),
    "returns more than the contract": (
        f'{RETURN}return {{"examined": 120, "findings": [], "verdict": "PASS"}}',
        "returned 'verdict', which nobody reads",
    ),
}


@pytest.mark.parametrize("what", MISBEHAVIOR)
def test_a_script_that_breaks_its_bounds_is_an_error(folder, what):
    source, said = MISBEHAVIOR[what]
    seconds = 2 if what == "loops for ever" else 60
    with pytest.raises(WardeinError, match=said) as raised:
        run_script(folder, source, max_seconds=seconds)
    assert len(str(raised.value).splitlines()) == 1
    assert str(folder) not in str(raised.value)


# What asks past AskedModel, by the socket that it holds.
FLOOD = """
import json, struct
def attack(model, rows, labels, budget):
    ask = model._ask
    host = dict(zip(ask.__code__.co_freevars, ask.__closure__))["host"].cell_contents
    head = json.dumps({"ask": "predict", "rows": 0, "columns": [
        {"name": name, "kind": "number", "bytes": 0} for name in model.features]}).encode()
    host.setblocking(False)
    while True:
        try:
            host.send(struct.pack("<IQ", len(head), 0) + head)
        except BlockingIOError:
            try:
                host.recv(2**20)
            except BlockingIOError:
                pass
"""


def test_a_flood_of_questions_has_an_end(folder):
    begun = time.monotonic()
    with pytest.raises(WardeinError, match="did not finish within 2 seconds"):
        run_script(folder, FLOOD, max_seconds=2)
    assert time.monotonic() - begun < 20


def test_a_script_reads_nothing_but_python(folder):
    """Of files that it may not read, the kernel tells nobody: it gets none of them, whether it hides that or not."""
    secret = folder / "secret"
    secret.write_text("x")
    wanted = ["/etc/passwd", "/etc", "/proc/1/environ", "/proc/self/mem", "..", str(secret), str(folder), __file__]
    source = f"""
import os
def attack(model, rows, labels, budget):
    got = []
    for path in [*{wanted!r}, f"/proc/{{os.getppid()}}/environ", f"/proc/{os.getpid()}/environ"]:
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
            got.append(path)
        except OSError:
            pass
    assert not got, got
    return {{"examined": 120, "findings": []}}
"""
    assert run_script(folder, source).verdict is Verdict.PASS


def test_what_a_script_finds_is_told_in_one_printable_line(folder):
    source = """
def attack(model, rows, labels, budget):
    message = chr(27) + "[31m" + chr(0x202e) + "evil" + chr(10) + chr(0) + "m" * 10**6
    return {"examined": 120, "findings": [{"rule": "x", "severity": "low", "message": message}]}
"""
    (finding,) = run_script(folder, source).findings
    assert finding.message.startswith("?[31m?evil ?mmm")
    assert len(finding.message) == 300
    assert finding.fails


def test_a_script_may_use_what_models_are_made_of(folder):
    source = """
from scipy.stats import norm
from sklearn.ensemble import RandomForestClassifier
def attack(model, rows, labels, budget):
    surrogate = RandomForestClassifier(5, random_state=0).fit(rows, model.predict(rows))
    agreement = (surrogate.predict(rows) == model.predict(rows)).mean()
    return {"examined": len(rows), "findings": [], "metrics": {"agreement": agreement}}
"""
    assert run_script(folder, source).verdict is Verdict.PASS


FINDINGS = [
    ("[1]", "other parts"),
    ('[{"rule": "x", "severity": "high"}]', "other parts"),
    ('[{"rule": "x", "severity": "high", "message": "m", "pass": 1}]', "other parts"),
    ('[{"rule": "X Y", "severity": "high", "message": "m"}]', "rule is no name"),
    ('[{"rule": "x", "severity": "bad", "message": "m"}]', "severity is none of critical"),
    ('[{"rule": "x", "severity": [], "message": "m"}]', "severity is none of critical"),
    ('[{"rule": "x", "severity": "high", "message": " "}]', "without a message"),
    ('[{"rule": "x", "severity": "high", "message": "m", "row": 120}]', "on row 120, of 120"),
    ('[{"rule": "x", "severity": "high", "message": "m", "row": True}]', "on row True"),
    ('{"rule": "x"}', "no list of at most"),
]


@pytest.mark.parametrize(("findings", "said"), FINDINGS)
def test_findings_are_read_strictly(findings, said):
    from wardein.behavior.script import _by_contract

    returned = {"examined": 120, "findings": eval(findings)}
    with pytest.raises(WardeinError, match=said):
        _by_contract(returned, 120, range(1, 121), 0)


def test_metrics_are_read_strictly():
    from wardein.behavior.script import _by_contract

    for metrics in ({"Bad Name": 1}, {"x": "1"}, {"x": True}, {"x": 10**400}, {"x": float("inf")}, {"queries": 1}, [1]):
        with pytest.raises(WardeinError, match="metric"):
            _by_contract({"examined": 1, "findings": [], "metrics": metrics}, 1, [1], 0)


def test_the_command_line_says_one_line(wardein, folder):
    (folder / "raise.py").write_text("def attack(*a):\n    raise KeyError('x')")
    data, model = str(folder / "data.csv"), str(folder / "model.skops")
    options = ["--data", data, "--label", "y", "--scanner", "none"]
    ran = wardein("evaluate-behavior", "--model", model, *options, "--script", str(folder / "raise.py"))
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert "KeyError" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "--scanner: there is nothing to run"),
        ({"scanner": "giskard", "detectors": ["nonsense"]}, "there is no detector 'nonsense'"),
        ({"scanner": "giskard", "detectors": ["overconfidence"] * 2}, "names a detector more than once"),
        ({"scanner": "giskard", "tolerance": 1.0}, "--tolerance"),
        ({"scanner": "giskard", "max_rows": 0}, "--max-rows"),
        ({"scanner": "giskard", "seed": -1}, "--seed"),
    ],
)
def test_settings_that_make_no_sense(folder, settings, said):
    with pytest.raises(UsageError, match=said):
        evaluate_behavior(folder / "model.skops", folder / "data.csv", "y", **{"scanner": "none", **settings})


# The scan, by a stand-in for giskard.


def stand_in(folder: Path, detector: str, version: str = "2.19.2") -> Path:
    """A Python that imports a giskard of ours, whose detectors do what ``detector`` says, and suspect nothing."""
    package = folder / "stand-in" / "giskard"
    (package / "scanner").mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(f"""
__version__ = {version!r}
class Dataset:
    def __init__(self, df, target, column_types): self.df = df
class Model:
    def __init__(self, predict, **settings): self.predict = predict
""")
    (package / "scanner" / "__init__.py").write_text("")
    (package / "scanner" / "registry.py").write_text("""
class DetectorRegistry:
    @staticmethod
    def get_detector_classes(): return {"stochasticity", "performance_bias"}
""")
    (package / "scanner" / "scanner.py").write_text(f"""
class Report: issues = []
class Scanner:
    def __init__(self, only): self.only = only
    def analyze(self, model, rows, **settings):
        assert settings["raise_exceptions"] is True
{detector}
        return Report
""")
    python = folder / "stand-in" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={package.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


@pytest.fixture
def scan(folder, monkeypatch):
    table = pd.read_csv(folder / "data.csv")
    pd.concat([table, table], ignore_index=True).to_csv(folder / "scan.csv", index=False)

    def run(detector="        pass", version="2.19.2", model="model.skops", data="scan.csv", **settings):
        monkeypatch.setenv("WARDEIN_GISKARD", str(stand_in(folder, detector, version)))
        settings = {"detectors": ["performance_bias", "stochasticity"], "max_seconds": 30, **settings}
        return evaluate_behavior(folder / model, folder / data, "y", **settings)

    return run


def test_a_scan_that_suspects_nothing_passes(scan):
    report = scan("        assert len(model.predict(rows.df)) == 120")
    assert report.verdict is Verdict.PASS
    assert [tool.name for tool in report.tools] == ["scikit-learn", "giskard"]
    assert {m.label: m.value for m in report.metrics}["queries"] == 240


def test_a_detector_that_breaks_is_named_and_hides_no_other(scan):
    report = scan("        if self.only == ['performance_bias']: raise TypeError('oh')")
    assert report.verdict is Verdict.ERROR
    assert (report.coverage.expected, report.coverage.examined) == (2, 1)
    assert report.coverage.skipped[0].what == "performance_bias"
    assert "TypeError: oh" in report.coverage.skipped[0].reason


def test_a_detector_that_goes_on_without_answers_has_examined_nothing(scan):
    source = """
        rows.df["a"] = "text"
        try: model.predict(rows.df)
        except RuntimeError: pass
"""
    report = scan(source, detectors=["performance_bias"])
    assert report.verdict is Verdict.ERROR
    assert "went on where the model had no answer" in report.coverage.skipped[0].reason


def test_giskard_sees_the_model_that_decides(scan, folder):
    """Probabilities of which the likeliest class is not the one that is predicted belong to another model."""
    table = pd.read_csv(folder / "data.csv")
    model = LogisticRegression().fit(table[["a", "b"]], table["y"])
    settings = {"threshold": 0.95, "pos_label": "yes", "response_method": "predict_proba"}
    model = FixedThresholdClassifier(model, **settings).fit(table[["a", "b"]], table["y"])
    joblib.dump(model, folder / "strict.joblib")
    source = """
        said = model.predict(rows.df).argmax(axis=1).sum()
        assert 0 < said < 0.8 * rows.df.iloc[:, -1].sum(), said
"""
    report = scan(source, model="strict.joblib", detectors=["performance_bias"])
    assert report.verdict is Verdict.PASS, report.coverage.skipped


def test_a_column_of_the_model_is_not_taken_for_the_label(folder, scan):
    table = pd.read_csv(folder / "scan.csv").rename(columns={"a": "wardein label"})
    skops.io.dump(LogisticRegression().fit(table[["wardein label", "b"]], table["y"]), folder / "named.skops")
    table.to_csv(folder / "named.csv", index=False)
    seen = "        assert set(rows.df['wardein label']) - {0, 1} and len(model.predict(rows.df)) == 120"
    report = scan(seen, model="named.skops", data="named.csv", detectors=["performance_bias"])
    assert report.verdict is Verdict.PASS, report.coverage.skipped


def test_a_broken_environment_is_told_with_the_remedy(folder, scan, monkeypatch):
    bare = folder / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    for program, said in ((bare, "No module named 'giskard'"), ("/bin/true", "ended by itself, with code 0")):
        monkeypatch.setenv("WARDEIN_GISKARD", str(program))
        with pytest.raises(WardeinError, match=f"giskard: .*{said}.*; run: python3.11 -m venv") as raised:
            evaluate_behavior(folder / "model.skops", folder / "scan.csv", "y")
        assert str(folder) not in str(raised.value)


def test_a_detector_that_this_giskard_lacks_was_not_run(scan):
    report = scan(detectors=["overconfidence"])
    assert report.verdict is Verdict.ERROR
    assert "no such detector" in report.coverage.skipped[0].reason


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "tried to open a network connection"),
        ("import os; os.fork()", "tried to start a process"),
        ("import os; os._exit(0)", "giskard: ended by itself, with code 0"),
        ("\n        while True: pass", "giskard: did not finish within 3 seconds"),
        ("model.predict(rows.df.iloc[:, :1])", "ended by itself|KeyError|other columns"),
    ],
)
def test_a_scan_that_breaks_its_bounds_is_an_error(scan, detector, said):
    if "iloc" in detector:
        report = scan(f"        {detector}")
        assert report.verdict is Verdict.ERROR
        return
    with pytest.raises(WardeinError, match=said):
        scan(f"        {detector}", max_seconds=3 if "while" in detector else 30)


def test_another_generation_is_refused(scan):
    with pytest.raises(WardeinError, match=r"version 3.0.1 is none of 2.19.x; run: python3.11 -m venv"):
        scan(version="3.0.1")


def test_without_giskard_the_remedy_is_said(folder, scan, monkeypatch):
    monkeypatch.setenv("WARDEIN_GISKARD", "python")
    with pytest.raises(WardeinError, match="WARDEIN_GISKARD: python is not the absolute path"):
        evaluate_behavior(folder / "model.skops", folder / "scan.csv", "y")
    monkeypatch.delenv("WARDEIN_GISKARD")
    monkeypatch.setattr(sys, "prefix", str(folder / "nowhere" / ".venv"))
    with pytest.raises(WardeinError, match="--scanner: needs giskard 2.19, .*pip install 'giskard>=2.19.2,<3'"):
        evaluate_behavior(folder / "model.skops", folder / "scan.csv", "y")


def test_too_few_rows_are_refused_and_not_passed_over(folder):
    with pytest.raises(WardeinError, match="--data: has 120 rows, the scan needs 200"):
        evaluate_behavior(folder / "model.skops", folder / "data.csv", "y")


def test_detectors_without_a_meaning_are_refused_by_name_and_left_out_by_default(folder, scan):
    data = folder / "scan.csv"
    for name in ("overconfidence", "underconfidence"):
        with pytest.raises(UsageError, match=f"{name} has no meaning for this LinearSVC"):
            evaluate_behavior(folder / "margin.skops", data, "y", detectors=[name])
    with pytest.raises(UsageError, match="text_perturbation has no meaning"):
        evaluate_behavior(folder / "model.skops", data, "y", detectors=["text_perturbation"])


def test_a_champion_for_another_task_is_refused(folder, scan):
    with pytest.raises(WardeinError, match="--champion: is no model for the same task"):
        scan(champion=folder / "numbers.skops")


# What travels, and what comes back.


def test_tables_travel_whole():
    table = pd.DataFrame(
        {
            "f": [0.5, np.nan, -1.0],
            "single": np.array([0.1, 2, 3], dtype=np.float32),
            "i": [1, 2**40, -3],
            "b": [True, False, True],
            "s": ["", None, "ü,"],
            "lacking": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["u", "v", "u"]),
            "day": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-01"]),
        }
    )
    columns, body = channel.pack(table)
    back = columns_of(table).restored(channel.unpack(columns, 3, body))
    pd.testing.assert_frame_equal(back, table)


def test_an_attack_may_put_fractions_where_whole_numbers_were():
    table = pd.DataFrame({"i": [1, 2, 3], "b": [True, False, True]})
    columns, body = channel.pack(table.assign(i=[1.5, 2, 3], b=[0.5, 0, 1]))
    back = columns_of(table).restored(channel.unpack(columns, 3, body))
    assert back["i"].tolist() == [1.5, 2, 3]
    assert back["b"].tolist() == [0.5, 0, 1]


@pytest.mark.parametrize(
    ("columns", "rows", "body"),
    [
        ("x", 1, b""),
        ([{"name": "a", "kind": "number", "bytes": 8}], -1, bytes(8)),
        ([{"name": "a", "kind": "number", "bytes": 8}], 2, bytes(8)),
        ([{"name": "a", "kind": "number", "bytes": 8}], 1, bytes(16)),
        ([{"name": "a", "kind": "number", "bytes": 7}], 1, bytes(7)),
        ([{"name": "a", "kind": "pickle", "bytes": 8}], 1, bytes(8)),
        ([{"name": "a", "kind": "number", "bytes": 8}] * 2, 1, bytes(16)),
        ([{"name": 1, "kind": "number", "bytes": 8}], 1, bytes(8)),
        ([{"name": "a", "kind": ["text"], "bytes": 8}], 1, bytes(8)),
        ([{"name": "a", "kind": "text", "bytes": 3}], 1, b"abc"),
        ([{"name": "a", "kind": "text", "bytes": 4}], 1, b"\x01\0\0\0"),
        ([{"name": "a", "kind": "text", "bytes": 5}], 1, bytes(4) + b"x"),
        ([{"name": "a", "kind": "text", "bytes": 4}], 1, b"\xfe\xff\xff\xff"),
        ([{"name": "a", "kind": "text", "bytes": 5}], 1, b"\x01\0\0\0\xff"),
        ([{"name": "a", "kind": "text", "bytes": 8}], 2, b"\xff\xff\xff\x7f" * 2),
        ([], 2**80, b""),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(columns, rows, body):
    with pytest.raises(ValueError, match=r"describes|multiple|can't decode"):
        channel.unpack(columns, rows, body)


def test_columns_are_numbers_categories_or_prose():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "number": rng.normal(size=200),
            "code": rng.integers(0, 5, 200),
            "flag": rng.integers(0, 2, 200).astype(float),
            "truth": rng.integers(0, 2, 200) == 1,
            "count": rng.integers(0, 1000, 200),
            "colour": rng.choice(["red", "blue"], 200),
            "prose": [f"text {i}" for i in range(200)],
        }
    )
    kinds = {"number": "numeric", "code": "category", "flag": "category", "truth": "category", "count": "numeric"}
    assert columns_of(table).kinds == {**kinds, "colour": "category", "prose": "text"}


# What is judged.


def calibrated(rng, n=2000, truth_shift=0.0):
    """A slice's labels and a model that announces their probabilities exactly, but for a shift in the slice."""
    p = rng.uniform(0.02, 0.98, n)
    held = np.arange(n) < n // 5
    truth = (rng.random(n) < np.clip(p + truth_shift * held * np.sign(0.5 - p), 0, 1)).astype(float)
    return truth, View((p > 0.5).astype(float), np.column_stack([1 - p, p])), held


def test_the_sum_of_announced_probabilities_is_exact():
    n, q = 60, 0.3
    truth = np.r_[np.ones(30), np.zeros(30)]
    model = View(np.zeros(n), np.tile([1 - q, q], (n, 1)))
    bench = Bench(truth, 2, model, None, None)
    judged = judge_slice(Suspicion("performance_bias", "major", "x", held=np.ones(n, dtype=bool)), bench)
    assert judged.p == pytest.approx(binom.sf(29, n, q), rel=1e-9)
    assert judged.excess == pytest.approx(0.2)


@pytest.mark.parametrize("detector", ["performance_bias", "overconfidence", "underconfidence", "spurious_correlation"])
def test_a_model_that_knows_what_it_does_not_know_is_not_blamed(detector):
    """Also in the slice where every model errs most: right beside the boundary."""
    blamed = 0
    for seed in range(300):
        truth, model, _ = calibrated(np.random.default_rng(seed))
        held = np.abs(model.probabilities[:, 1] - 0.5) < 0.15
        bench = Bench(truth, 2, model, None, None)
        (judged,) = holm([judge_slice(Suspicion(detector, "major", "x", held=held), bench)])
        blamed += judged.p <= 0.05
    assert blamed <= 25  # 5 % are 15, and 25 have a probability of 0.007


def test_a_slice_that_is_worse_than_announced_is_found():
    for seed in range(20):
        truth, model, held = calibrated(np.random.default_rng(seed), truth_shift=0.3)
        judged = judge_slice(Suspicion("performance_bias", "major", "x", held=held), Bench(truth, 2, model, None, None))
        assert judged.counts(0.05)
        assert not judge_slice(
            Suspicion("performance_bias", "major", "x", held=~held), Bench(truth, 2, model, None, None)
        ).counts(0.05)


def test_what_the_champion_does_as_well_is_no_news():
    truth, model, held = calibrated(np.random.default_rng(1), truth_shift=0.4)
    suspicion = Suspicion("performance_bias", "major", "x", held=held)
    assert judge_slice(suspicion, Bench(truth, 2, model, None, None)).counts(0.05)
    same = judge_slice(suspicion, Bench(truth, 2, model, model, None))
    assert not same.counts(0.05)
    assert same.yardstick == "the champion"
    right = View(truth, np.column_stack([1 - truth, truth]))
    assert judge_slice(suspicion, Bench(truth, 2, model, right, None)).counts(0.05)


def test_a_simple_model_of_other_rows_shows_what_a_model_without_probabilities_misses():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"x": rng.normal(size=4000), "g": rng.choice(["u", "v"], 4000)})
    truth = ((rows["x"] > 0) ^ (rows["g"] == "v")).to_numpy(dtype=float)
    simple = simple_view(columns_of(rows), rows[:2000], truth[:2000], rows[2000:].reset_index(drop=True), 2, 0)
    model = View((rows["x"] > 0).to_numpy(dtype=float)[2000:])
    held = (rows["g"] == "v").to_numpy()[2000:]
    judged = judge_slice(
        Suspicion("performance_bias", "major", "x", held=held), Bench(truth[2000:], 2, model, None, simple)
    )
    assert judged.counts(0.05)
    assert judged.rate == 1.0
    assert judged.expected < 0.05


def test_regressors_are_judged_by_their_errors():
    rng = np.random.default_rng(4)
    truth, noise = rng.normal(size=2000), rng.normal(size=2000) * 0.3
    held = np.arange(2000) < 300
    fine, leaning = View(truth + noise), View(truth + noise + 0.5 * held)
    suspicion = Suspicion("performance_bias", "major", "x", held=held)
    assert not judge_slice(suspicion, Bench(truth, 0, fine, None, fine)).counts(0.05)
    assert judge_slice(suspicion, Bench(truth, 0, leaning, None, fine)).counts(0.05)
    assert judge_slice(suspicion, Bench(truth, 0, leaning, None, leaning)).counts(0.05)  # it leans
    assert not judge_slice(suspicion, Bench(truth, 0, leaning, leaning, None)).counts(0.05)


def test_a_model_of_medians_does_not_lean_where_errors_are_skewed():
    """Nor does one of means; but one that is off by as much in the slice does."""
    suspicion = Suspicion("performance_bias", "major", "x", held=np.ones(600, dtype=bool))
    blamed = {"medians": 0, "between": 0, "means": 0, "off": 0}
    centers = {"medians": 1.0, "between": 1.3, "means": np.exp(0.5), "off": np.exp(0.5) + 1}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        signal, noise = rng.normal(size=600), rng.lognormal(0, 1, 600)
        for name, center in centers.items():
            view = View(signal + center)
            blamed[name] += judge_slice(suspicion, Bench(signal + noise, 0, view, None, view)).counts(0.05)
    assert blamed["medians"] <= 10
    assert blamed["means"] <= 10
    assert blamed["between"] == 0  # too low on average, too high more often than not
    assert blamed["off"] == 100


def test_a_champion_without_probabilities_hides_no_overconfidence():
    truth, model, held = calibrated(np.random.default_rng(1), truth_shift=0.4)
    sure = View(model.said, np.clip(np.round(model.probabilities), 0.01, 0.99))
    suspicion = Suspicion("overconfidence", "major", "x", held=held)
    judged = judge_slice(suspicion, Bench(truth, 2, sure, View(truth), None))
    assert judged.counts(0.05)
    assert judged.yardstick == "announced by its own probabilities"


def test_what_is_decided_is_the_likeliest():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    view = View(np.array([0.0, 2.0, 0.0]), probabilities)
    assert decided(view).tolist() == [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.6, 0.2, 0.2]]
    assert probabilities[1].tolist() == [0.1, 0.6, 0.3]  # what was asked for stays


def test_a_regressor_that_is_off_by_the_same_everywhere_is_worse_than_an_exact_champion():
    truth = np.arange(200.0)
    suspicion = Suspicion("performance_bias", "major", "x", held=np.arange(200) < 40)
    off, exact = View(truth + 100 * suspicion.held), View(truth)
    assert judge_slice(suspicion, Bench(truth, 0, off, exact, None)).counts(0.05)
    assert not judge_slice(suspicion, Bench(truth, 0, exact, off, None)).counts(0.0)


def test_skewed_errors_are_not_taken_for_a_difference():
    """At the level that 50 suspicions leave to each; Student's t alone errs 26 times here, where 2 are due."""
    rng = np.random.default_rng(0)
    samples = np.exp(0.5) - rng.lognormal(0, 1, (2000, 100))
    assert sum(above_zero(sample) < 0.001 for sample in samples) <= 8
    assert all(above_zero(rng.lognormal(0, 1, 100)) < 1e-4 for _ in range(20))
    assert [above_zero(np.full(30, value)) for value in (1.0, 0.0, -1.0)] == [0.0, 1.0, 1.0]


def test_few_rows_say_nothing():
    truth, model, _ = calibrated(np.random.default_rng(0))
    judged = judge_slice(
        Suspicion("performance_bias", "major", "x", held=np.arange(2000) < 29), Bench(truth, 2, model, None, None)
    )
    assert judged.why_not
    assert not judged.counts(0)


def test_small_changes_that_flip_count_and_large_ones_do_not():
    n = 400
    before, after = View(np.zeros(n)), View((np.arange(n) % 4 == 0).astype(float))
    suspicion, moved = Suspicion("numerical_perturbation", "major", "x", column="a"), np.ones(n, dtype=bool)
    assert judge_change(suspicion, moved, 0.01, (before, after), None, 0.0).counts(0.05)
    assert not judge_change(suspicion, moved, 0.5, (before, after), None, 0.0).counts(0.05)
    assert not judge_change(suspicion, moved, 0.01, (before, after), (before, after), 0.0).counts(0.05)
    assert not judge_change(suspicion, moved, 0.01, (before, before), None, 0.0).counts(0.05)
    numbers = View(np.zeros(n)), View(np.full(n, 1.0))
    assert judge_change(suspicion, moved, 0.01, numbers, None, 1.0).counts(0.05)
    assert not judge_change(suspicion, moved, 0.01, numbers, None, 10.0).counts(0.05)


def test_one_answer_that_changes_is_enough():
    suspicion = Suspicion("stochasticity", "medium")
    assert judge_whole(suspicion, 1, 100, None).counts(0.05)
    assert judge_whole(suspicion, 1, 100, 0).counts(0.05)
    assert not judge_whole(suspicion, 1, 100, 3).counts(0.05)
    # That the champion does it here and there does not excuse a model that does it everywhere.
    assert judge_whole(suspicion, 100, 100, 3).counts(0.05)
    assert not judge_whole(suspicion, 5, 100, 3).counts(0.0)
    assert judge_whole(suspicion, 9, 100, 1).p == pytest.approx(fisher_exact([[9, 91], [1, 99]], "greater").pvalue)
    assert not judge_whole(suspicion, 0, 100, None).counts(0.05)


def test_p_values_are_adjusted_for_all_that_can_count():
    one = judge_whole(Suspicion("stochasticity", "medium"), 1, 100, None)
    from dataclasses import replace

    judged = holm([replace(one, p=p) for p in (0.01, 0.04, 0.03)] + [replace(one, p=0.0, why_not="no")])
    assert [round(j.p, 4) for j in judged] == [0.03, 0.06, 0.06, 0.0]
