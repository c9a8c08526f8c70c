# SPDX-License-Identifier: Apache-2.0
"""What it costs to ask a model in a process of its own, against the same model in the same process.

    python benchmarks/safe_loading.py [QUERIES] [SINGLE]

First evaluate-robustness as its users run it, HopSkipJump with at least QUERIES queries: processor seconds of all
processes with the model in its own process, over those with the model beside the attack, for three kinds of models. The
processes wait for each other, so on an idle machine these are the seconds on the clock as well, and on a busy one they
are what can be compared. The target is at most 1.3 times. Then SINGLE questions of one row each, which is the worst
case: what is added to each, in microseconds. Last, what a run pays once, on the clock: starting the process with its
libraries, and loading the first and another model.

Both sides do the same work on the same machine in turns; each number is the best of three. Ends with 1 if the target is
missed or a report differs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wardein.checks.evaluate_robustness import evaluate_robustness
from wardein.models import load as loading
from wardein.models.held import Held
from wardein.models.libraries import libraries
from wardein.models.predictors import Classifier, predictor
from wardein.report import Report

RUNS, TARGET = 3, 1.3


@contextmanager
def beside(path: Path, **_: Any) -> Iterator[Classifier]:
    """The model beside whoever asks it, as if it were trusted: its own methods are called with the table."""
    from wardein.modelfiles.allowlist import audited

    model = skops.io.load(path, trusted=sorted(audited()))

    def ask(question: str, rows: Any) -> Any:
        if question == "predict":
            return {}, [np.searchsorted(model.classes_, model.predict(rows))]
        raise NotImplementedError(question)

    yield predictor(Held(model, "skops").facts(), ask, path)


def processor() -> float:
    """Processor seconds of this process, of the one that makes copies for models, and of those copies."""
    theirs = Path(f"/proc/{libraries(os.getpid()).running.process}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + sum(map(int, theirs[11:15])) / os.sysconf("SC_CLK_TCK")


def clocked(work: Callable[[], Any], clock: Callable[[], float] = processor) -> tuple[Any, float]:
    began = clock()
    return work(), clock() - began


def attack(model: Path, data: Path, rows: int) -> Report:
    return evaluate_robustness(model, data, "y", attack="hopskipjump", max_rows=rows)


def queries(report: Report) -> int:
    return round(next(m.value * m.n for m in report.metrics if m.name == "queries_per_row"))


def robustness(name: str, estimator: Any, least: int, folder: Path) -> bool:
    bunch = load_breast_cancer(as_frame=True)
    model, data = folder / "model.skops", folder / "data.csv"
    skops.io.dump(estimator.fit(bunch.data[::2], bunch.target[::2]), model)
    bunch.data[1::2].assign(y=bunch.target[1::2]).to_csv(data, index=False)
    rows, report = 5, attack(model, data, 5)
    while queries(report) < least:
        rows, report = rows * 2, attack(model, data, rows * 2)
    apart, together = [], []
    for _ in range(RUNS):
        report, seconds = clocked(lambda: attack(model, data, rows))
        apart.append(seconds)
        with mock.patch.object(loading, "load", beside):
            here, seconds = clocked(lambda: attack(model, data, rows))
        together.append(seconds)
    ratio, same = min(apart) / min(together), report.metrics == here.metrics
    print(f"{name:<28}{queries(report):>9,} queries   in its own process {min(apart):7.2f} s", end="")
    print(f"   in the same {min(together):7.2f} s   ratio {ratio:.3f}   same report: {same}")
    return ratio <= TARGET and same


def one_by_one(count: int, folder: Path) -> None:
    bunch = load_breast_cancer(as_frame=True)
    path, row = folder / "model.skops", bunch.data.iloc[:1]
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(bunch.data, bunch.target), path)

    def ask(load: Callable[[Path], Any]) -> None:
        with load(path) as classifier:
            for _ in range(count):
                classifier.predict(row)

    apart, together = (
        min(clocked(partial(ask, load))[1] for _ in range(RUNS)) / count * 1e6 for load in (loading.load, beside)
    )
    print(
        f"one row at a time, {count:,} times: in its own process {apart:.0f} us, in the same {together:.0f} us", end=""
    )
    print(f", {apart - together:.0f} us added to each question")


def at_the_start(folder: Path) -> None:
    def once() -> None:
        with loading.load(folder / "model.skops"):
            pass

    libraries.cache_clear()
    print(f"loading the first model of a process {clocked(once, time.perf_counter)[1]:.2f} s", end="")
    print(f", another one {clocked(once, time.perf_counter)[1]:.3f} s")


def main(least: int, single: int) -> int:
    warnings.simplefilter("ignore")
    kinds = {
        "logistic regression, scaled": make_pipeline(StandardScaler(), LogisticRegression()),
        "gradient boosting": GradientBoostingClassifier(random_state=0),
        "random forest of 100 trees": RandomForestClassifier(100, random_state=0),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = [robustness(kind, estimator, least, folder) for kind, estimator in kinds.items()]
        one_by_one(single, folder)
        at_the_start(folder)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*given, *(100_000, 2_000)[len(given) :]))
