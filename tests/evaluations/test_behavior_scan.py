# SPDX-License-Identifier: Apache-2.0
"""evaluate-behavior with the true giskard: what is planted is found, nothing else is blamed, and nobody phones home."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from wardein.checks.evaluate_behavior import evaluate_behavior
from wardein.report import Verdict

PYTHON = Path(sys.prefix).parent / ".venv-giskard" / "bin" / "python"
GERMAN = Path(__file__).parents[3] / "shared" / "data" / "german.csv"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs .venv-giskard (make .venv-giskard/installed)")


def logistic(rng, n, planted=False):
    """Rows whose label a logistic model describes rightly; planted: but for those where d is above 1."""
    table = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    score = 1.2 * table["a"] - 0.8 * table["b"] + 0.5 * table["c"]
    score = np.where(planted & (table["d"] > 1), -score, score)
    return table, (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    rng = np.random.default_rng(0)
    table, label = logistic(rng, 2000)
    skops.io.dump(LogisticRegression().fit(table, label), folder / "model.skops")
    for name, bad in (("clean", False), ("planted", True)):
        table, label = logistic(rng, 2000, planted=bad)
        table.assign(y=label).to_csv(folder / f"{name}.csv", index=False)
    return folder


def metrics_of(report):
    return {metric.label: metric for metric in report.metrics}


@pytest.fixture
def listener(folder, monkeypatch):
    """Giskard's Python, but every name that is looked up and every connection is written down."""
    log, package = folder / "calls.txt", folder / "listening"
    package.mkdir(exist_ok=True)
    log.write_text("")
    (package / "sitecustomize.py").write_text(f"""
import socket
def listen(name, call):
    def told(*args, **kwargs):
        with open({str(log)!r}, "a") as log:
            log.write(name + " " + repr(args) + chr(10))
        return call(*args, **kwargs)
    return told
socket.getaddrinfo = listen("getaddrinfo", socket.getaddrinfo)
socket.socket.connect = listen("connect", socket.socket.connect)
with open({str(log)!r}, "a") as log:
    log.write("started" + chr(10))
""")
    python = package / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={package} exec {PYTHON} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("WARDEIN_GISKARD", str(python))
    return log


def test_a_planted_slice_is_found_the_same_twice_and_nobody_is_called(folder, listener):
    report = evaluate_behavior(folder / "model.skops", folder / "planted.csv", "y")
    assert report.verdict is Verdict.FAIL
    assert report.coverage.complete
    blamed = [finding for finding in report.findings if finding.fails]
    assert {finding.rule for finding in blamed} <= {"behavior/performance-bias", "behavior/overconfidence"}
    assert blamed
    for finding in blamed:
        low = float(finding.location.removeprefix("d at least "))
        assert 0.7 < low < 1.3, finding.location
    assert metrics_of(report)["issues"].value == len(blamed)
    # The same once more, to the last bit; nothing was looked up on the way, and no connection tried.
    assert evaluate_behavior(folder / "model.skops", folder / "planted.csv", "y") == report
    assert listener.read_text().splitlines() == ["started"] * 2
    # The champion that is no better there makes it no news; with one that is, it stays one.
    known = evaluate_behavior(
        folder / "model.skops", folder / "planted.csv", "y", champion=folder / "model.skops",
        detectors=["performance_bias"],
    )  # fmt: skip
    assert known.verdict is Verdict.PASS
    assert any("the champion" in finding.message for finding in known.findings)


def test_a_model_that_is_right_is_not_blamed(folder):
    report = evaluate_behavior(folder / "model.skops", folder / "clean.csv", "y")
    assert report.verdict is Verdict.PASS
    assert report.coverage.complete
    assert report.coverage.expected == 7
    assert not any(finding.fails for finding in report.findings)
    values = metrics_of(report)
    # Giskard itself has issues with it: that is why they are judged.
    assert sum(metric.value for label, metric in values.items() if label.startswith("suspicions")) > 0


def test_a_mixed_table_with_prose_and_gaps_is_examined_by_every_detector(tmp_path):
    rng = np.random.default_rng(5)
    n = 300
    words = ["good", "bad", "slow", "fast", "cheap", "dear"]
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": np.where(rng.random(n) < 0.05, np.nan, rng.lognormal(10, 1, n)),
            "colour": rng.choice(["red", "green", "blue"], n),
            "member": rng.random(n) < 0.5,
            "note": [" ".join(rng.choice(words, 5)) + f" {i}" for i in range(n)],
        }
    )
    score = (table["age"] - 50) / 20 + table["note"].str.count("good") - table["note"].str.count("bad")
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-score)), "yes", "no")
    columns = make_column_transformer(
        (SimpleImputer(), ["age", "income"]), (OneHotEncoder(), ["colour", "member"]), (TfidfVectorizer(), "note")
    )
    joblib.dump(make_pipeline(columns, LogisticRegression(max_iter=500)).fit(table, label), tmp_path / "model.joblib")
    table.assign(y=label).to_parquet(tmp_path / "data.parquet")
    report = evaluate_behavior(tmp_path / "model.joblib", tmp_path / "data.parquet", "y")
    assert report.verdict in (Verdict.PASS, Verdict.FAIL), report.reason
    assert report.coverage.expected == report.coverage.examined == 8
    assert not any("underconfidence" in f.rule and f.fails for f in report.findings)


def test_a_regressor_that_leans_in_a_slice_is_found(tmp_path):
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(1600, 3)), columns=list("abc"))
    label = table["a"] + 0.5 * table["b"] + rng.normal(size=1600) * 0.3
    skops.io.dump(LinearRegression().fit(table, label), tmp_path / "model.skops")
    for name, shift in (("clean", 0.0), ("planted", 1.5)):
        table.assign(y=label + shift * (table["c"] > 1)).to_csv(tmp_path / f"{name}.csv", index=False)
    settings = {"detectors": ["performance_bias", "numerical_perturbation", "data_leakage"]}
    report = evaluate_behavior(tmp_path / "model.skops", tmp_path / "planted.csv", "y", **settings)
    assert report.verdict is Verdict.FAIL
    assert {f.rule for f in report.findings if f.fails} == {"behavior/performance-bias"}
    assert "c at least" in report.findings[0].location
    clean = evaluate_behavior(tmp_path / "model.skops", tmp_path / "clean.csv", "y", **settings)
    assert clean.verdict is Verdict.PASS


@pytest.mark.skipif(not GERMAN.exists(), reason="needs ../shared/data")
def test_german_credit_by_the_command_line(tmp_path, wardein):
    table = pd.read_csv(GERMAN, header=None)
    if len(table.columns) == 1:
        table = pd.read_csv(GERMAN, header=None, sep=r"\s+")
    table.columns = [f"c{i}" for i in range(len(table.columns))]
    label = table.columns[-1]
    texts = [name for name in table.columns[:-1] if not pd.api.types.is_numeric_dtype(table[name])]
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), texts), remainder="passthrough")
    train, test = table.iloc[:500], table.iloc[500:]
    model = make_pipeline(columns, LogisticRegression(max_iter=5000))
    joblib.dump(model.fit(train.drop(columns=label), train[label]), tmp_path / "model.joblib")
    test.to_csv(tmp_path / "test.csv", index=False)
    ran = wardein(
        "evaluate-behavior", "--model", tmp_path / "model.joblib", "--data", tmp_path / "test.csv", "--label", label,
        "--detectors", "performance_bias", "--detectors", "stochasticity", "--json",
    )  # fmt: skip
    assert ran.code in (0, 1), ran.err
    assert ran.report["coverage"]["complete"]
    assert os.fspath(tmp_path) not in json.dumps(ran.report)
