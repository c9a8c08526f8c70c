# SPDX-License-Identifier: Apache-2.0
"""evaluate-fairness against fairlearn called directly, on the same rows and in the same run.

1. Bootstrap: seconds of a replicate, of fairlearn's ``n_boot`` and of ours, which draws tables of counts; counting the
   rows and making the intervals are ours included. Target: at least 1000 times faster, and point values equal to 1e-9.
2. The whole step, from files to report, beside fairlearn's MetricFrame without intervals.
3. The four-fifths rule on models that are fair: how often the plain rule fails them, and how often ours does.

Ends with 1 if a target is missed.

Run: python benchmarks/fairness.py [ROWS] [GROUPS] [FAIRLEARN_DRAWS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fairlearn.metrics as reference
import numpy as np
import pandas as pd
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score

from wardein.checks.evaluate_fairness import evaluate_fairness
from wardein.models.load import load
from wardein.statistics import intervals
from wardein.statistics.contingency import resample, tabulate
from wardein.statistics.disparities import disparity, rates
from wardein.statistics.groups import Division

RATES = {name: getattr(reference, name) for name in ("selection_rate", "true_positive_rate", "false_positive_rate")}
RATES["precision"] = precision_score
REPLICATES = 1000


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def clocked(work: Callable[[], Any]) -> float:
    """By the clock on the wall: the model answers in a process of its own."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def people(rows: int, groups: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"score": random.normal(size=rows).round(4), "group": random.integers(0, groups, rows)})
    shift = 0.6 * table["group"] / groups
    table["label"] = (table["score"] + shift + random.normal(size=rows) > 0).astype(int)
    return table.assign(group=[f"g{i:02}" for i in table["group"]])


def bootstrap(table: pd.DataFrame, said: np.ndarray, draws: int) -> bool:
    """A replicate of all four rates of every group, and the intervals of their differences and ratios."""
    given = {"y_true": table["label"], "y_pred": said, "sensitive_features": table["group"]}
    more = {"n_boot": draws, "ci_quantiles": [0.025, 0.975], "random_state": 0}
    frame, plain = timed(lambda: reference.MetricFrame(metrics=RATES, **given))
    _, theirs = timed(lambda: reference.MetricFrame(metrics=RATES, **given, **more))
    truth, yes, codes = table["label"].to_numpy() == 1, said == 1, pd.factorize(table["group"], sort=True)[0]
    names = tuple(f"group={name}" for name in sorted(set(table["group"])))

    def ours(replicates: int) -> Any:
        cells = tabulate(Division("group", names, codes), truth, yes)
        measured = rates(cells, rows=30, outcomes=10, drawn=resample(cells, replicates, 0))
        every = (measured.selection, measured.true_positive, measured.false_positive, measured.precision)
        return dict(zip(RATES, (disparity([one]) for one in every), strict=True))

    found, own = timed(lambda: ours(REPLICATES))
    per_own, per_theirs = own / REPLICATES, (theirs - plain) / draws
    difference, ratio = frame.difference(), frame.ratio()
    apart = max(
        max(abs(one.difference - difference[name]), abs(one.ratio - ratio[name])) for name, one in found.items()
    )
    print(f"bootstrap, {len(table)} rows, {len(names)} groups, four rates; process seconds")
    print(f"  fairlearn n_boot={draws:<5} {theirs:9.3f} of which {plain:.3f} without   a replicate {per_theirs:.6f}")
    print(f"  wardein {REPLICATES:>6} draws  {own:9.3f}                        a replicate {per_own:.6f}")
    print(f"  a replicate {per_theirs / per_own:.0f} times faster; point values apart by {apart:.1e}")
    return per_theirs >= 1000 * per_own and apart < 1e-9


def whole_step(table: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder) / "model.skops", Path(folder) / "data.parquet"
        skops.io.dump(LogisticRegression().fit(table[["score"]], table["label"]), model)
        table.to_parquet(data)
        with load(model) as classifier:  # imports what both sides need, outside of the clock
            said = classifier.predict(table[["score"]])
        closed = clocked(lambda: evaluate_fairness(model, data, "label", ["group"]))
        drawn = clocked(lambda: evaluate_fairness(model, data, "label", ["group"], interval="bootstrap"))
    given = {"y_true": table["label"], "y_pred": said, "sensitive_features": table["group"]}

    def compare() -> Any:
        frame = reference.MetricFrame(metrics=RATES, **given)
        return frame.difference(), frame.ratio()

    plain = clocked(compare)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print("the whole step, reading and predicting and proxies included; seconds")
    print(f"  wardein, closed intervals   {closed:8.3f}")
    print(f"  wardein, bootstrap          {drawn:8.3f}   peak of this process {peak} MB")
    print(f"  fairlearn MetricFrame       {plain:8.3f}   no interval, no file, no prediction")


def fair_models(groups: int = 12, runs: int = 1000) -> bool:
    """How often a rule fails models that select every group at the same rate."""
    random, good = np.random.default_rng(0), True
    weights = 1 / np.arange(1, groups + 1)
    print(f"the four-fifths rule on {runs} fair models, {groups} groups of unequal size")
    for rows in (300, 1000, 5000, 50_000):
        plain = own = 0
        for _ in range(runs):
            sizes = random.multinomial(rows, weights / weights.sum())
            hits = random.binomial(sizes, 0.3)
            share, large = hits / np.maximum(sizes, 1), sizes >= 30
            plain += share.min() < 0.8 * share.max()
            own += large.sum() > 1 and intervals.smallest_ratio([(hits[large], sizes[large])]).high < 0.8
        print(f"  {rows:>6} rows: the plain rule fails {plain / runs:6.1%}, ours (bound=best) {own / runs:5.1%}")
        good &= own <= 0.05 * runs
    return good


def main(rows: int, groups: int, draws: int) -> int:
    table = people(rows, groups)
    good = bootstrap(table, (table["score"] > 0).to_numpy().astype(int), draws)
    whole_step(table)
    good &= fair_models()
    print(f"targets met: {good}")
    return 0 if good else 1


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:4]]
    sys.exit(main(*given, *(1_000_000, 20, 10)[len(given) :]))
