# SPDX-License-Identifier: Apache-2.0
"""evaluate-fairness against fairlearn called directly, on the same rows and in the same run.

Prints process seconds and two ratios: over fairlearn's own bootstrap (what its users call for intervals), and over
its MetricFrame without intervals (target: at most 1.15 times plus half a second for the whole step, reading the
table, loading the model and predicting included). Ends with 1 if the target is missed or a point value differs.

Run: python benchmarks/fairness.py [ROWS] [N_BOOT]
"""

from __future__ import annotations

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

from wardein.checks.evaluate_fairness import evaluate_fairness
from wardein.models.load import load

RATES = {name: getattr(reference, name) for name in ("selection_rate", "true_positive_rate", "false_positive_rate")}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def people(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"score": random.normal(size=rows).round(4), "group": random.integers(0, 6, rows)})
    return table.assign(label=(table["score"] + 0.1 * table["group"] + random.normal(size=rows) > 0).astype(int))


def main(rows: int, replicates: int) -> int:
    table = people(rows)
    with tempfile.TemporaryDirectory() as folder:
        model, data = Path(folder) / "model.skops", Path(folder) / "data.parquet"
        skops.io.dump(LogisticRegression().fit(table[["score"]], table["label"]), model)
        table.to_parquet(data)
        with load(model) as classifier:  # imports what both sides need, outside of the clock
            predicted = classifier.predict(table[["score"]])
        given = {"y_true": table["label"], "y_pred": predicted, "sensitive_features": table["group"]}
        report, ours = timed(lambda: evaluate_fairness(model, data, "label", ["group"]))

    def compare(**more: Any) -> Any:
        frame = reference.MetricFrame(metrics=RATES, **given, **more)
        return frame.difference(), frame.ratio()

    (difference, _), plain = timed(compare)
    _, bootstrap = timed(lambda: compare(n_boot=replicates, ci_quantiles=[0.025, 0.975], random_state=0))
    found = next(m.value for m in report.metrics if m.name == "demographic_parity_difference")
    agrees = abs(found - difference["selection_rate"]) < 1e-12
    fast = ours <= 1.15 * plain + 0.5
    print(f"rows {rows}, groups 6, one thread; process seconds")
    print(f"  wardein evaluate_fairness, the whole step  {ours:8.3f}")
    print(f"  fairlearn MetricFrame, no intervals        {plain:8.3f}   ratio {ours / plain:.3f}")
    print(f"  fairlearn MetricFrame, n_boot={replicates:<4}         {bootstrap:8.3f}   ratio {ours / bootstrap:.4f}")
    print(f"  same point values: {agrees}; at most 1.15 times MetricFrame plus 0.5 s: {fast}")
    return 0 if agrees and fast else 1


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*given, *(100_000, 100)[len(given) :]))
