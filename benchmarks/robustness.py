# SPDX-License-Identifier: Apache-2.0
"""evaluate-robustness against the Adversarial Robustness Toolbox called directly, on the same rows.

    python benchmarks/robustness.py [RUNS] [ROWS]

First FGSM and PGD on a scaled logistic regression, both sides as processes of their own, turn by turn: the median
CPU seconds, their ratio, and the target of at most 1.15 times the direct call plus 0.5 s. Both must find the same
robust accuracies. Then HopSkipJump on a random forest, gradient boosting, a support vector machine and a Pipeline, the
same ROWS rows for both: CPU seconds, robust accuracy (an attack is better the lower it is), and the share of rows that
ART returns without having attacked them. The targets: at least 50 times faster for each row that was attacked, nowhere
a higher robust accuracy, no row left out, and twice the same result. ART takes minutes for 100 rows. Ends with 1 if a
target is missed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

EPSILONS = (0.05, 0.1, 0.2, 0.4)
FASTER = 50
# What a careful user writes: scaled columns, clip values of the data, true labels, one start at the row and two random.
DIRECT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd, skops.io
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentNumpy
from art.estimators.classification import SklearnClassifier
from sklearn.linear_model import LogisticRegression

model = skops.io.load(sys.argv[1])
table = pd.read_csv(sys.argv[2])
rows, y = table.drop(columns="y").to_numpy(), table["y"].to_numpy()
mean, scale = rows.mean(axis=0), rows.std(axis=0)
linear = LogisticRegression()
linear.classes_ = model.classes_
linear.coef_ = model[-1].coef_ / model[0].scale_ * scale
linear.intercept_ = model[-1].intercept_ + model[-1].coef_ @ ((mean - model[0].mean_) / model[0].scale_)
z = ((rows - mean) / scale).astype(np.float32)
classifier = SklearnClassifier(linear, clip_values=(z.min(axis=0), z.max(axis=0)))
found = {"fgsm": [], "pgd": []}
for epsilon in map(float, sys.argv[3:]):
    one = FastGradientMethod(classifier, eps=epsilon, batch_size=len(z)).generate(x=z, y=y)
    found["fgsm"].append(float((linear.predict(one) == y).mean()))
    stand = linear.predict(z) == y
    for starts in (0, 2):
        attack = ProjectedGradientDescentNumpy(
            classifier, eps=epsilon, eps_step=2.5 * epsilon / 40, max_iter=40, num_random_init=starts,
            batch_size=len(z), verbose=False)
        stand &= linear.predict(attack.generate(x=z, y=y)) == y
    found["pgd"].append(float(stand.mean()))
print(json.dumps(found))
"""


def cpu(command: list[str]) -> tuple[float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout


def curve(report: dict, attack: str) -> list[float]:
    found = {m["slice"]: m["value"] for m in report["metrics"] if m["name"] == "robust_accuracy"}
    return [found[f"attack={attack}, epsilon={epsilon:g}"] for epsilon in EPSILONS]


def gradients(folder: Path, rows: pd.DataFrame, labels: np.ndarray, runs: int) -> bool:
    model, data = folder / "lr.skops", folder / "lr.csv"
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[::2], labels[::2]), model)
    rows[1::2].assign(y=labels[1::2]).to_csv(data, index=False)
    direct = [sys.executable, "-c", DIRECT, str(model), str(data), *map(str, EPSILONS)]
    step = [sys.executable, "-m", "wardein", "evaluate-robustness", "--model", str(model), "--data", str(data)]
    step += ["--label", "y", "--max-rows", "1000", "--json"]
    theirs, ours = [], []
    for _ in range(runs):
        seconds, direct_text = cpu(direct)
        theirs.append(seconds)
        seconds, step_text = cpu(step)
        ours.append(seconds)
    report, found = json.loads(step_text), json.loads(direct_text)
    same = all(np.allclose(curve(report, attack), found[attack]) for attack in ("fgsm", "pgd"))
    limit = 1.15 * median(theirs) + 0.5
    print(f"FGSM and PGD, logistic regression, {len(rows[1::2])} rows x {rows.shape[1]}, {len(EPSILONS)} epsilons")
    print(f"  ART directly  {median(theirs):6.2f} s CPU   PGD {found['pgd']}")
    print(f"  the step      {median(ours):6.2f} s CPU   PGD {curve(report, 'pgd')}")
    print(f"  ratio {median(ours) / median(theirs):.2f}, target {limit:.2f} s, same accuracies: {same}")
    return same and median(ours) <= limit


def decisions(name: str, model: Any, rows: pd.DataFrame, labels: np.ndarray, count: int) -> bool:
    warnings.simplefilter("ignore")
    from art.attacks.evasion import HopSkipJump
    from art.estimators.classification import BlackBoxClassifier

    from wardein.attacks.decision import Pool, hopskipjump
    from wardein.attacks.space import Space, columns_of
    from wardein.models.held import Held
    from wardein.models.predictors import predictor

    model.fit(rows[::2], labels[::2])
    data, truth = rows[1::2].reset_index(drop=True), labels[1::2]
    predicted = model.predict(data)
    held = Held(model, "skops")
    classifier = predictor(held.facts(), held.answer, Path("model"))
    space = Space(classifier, data, columns_of(data, data, [], []))
    right = np.flatnonzero(predicted == truth)[:count]

    started = time.process_time()
    pool = Pool(space.coordinates(data.to_numpy()), predicted)
    distance, _ = hopskipjump(space, right, truth, pool, seed=0)
    ours = time.process_time() - started
    again, _ = hopskipjump(space, right, truth, pool, seed=0)

    def answer(z: np.ndarray) -> np.ndarray:
        return np.eye(2)[space.classes(pd.DataFrame(space.values(z.astype(float)), columns=list(data.columns)))]

    box = (float(space.low.min()), float(space.high.max()))
    # As it comes: 50 iterations of 100 to 10,000 evaluations.
    attack = HopSkipJump(BlackBoxClassifier(answer, (rows.shape[1],), 2, clip_values=box), norm=np.inf, verbose=False)
    started = time.process_time()
    found = attack.generate(x=space.origin[right].astype(np.float32))
    theirs = time.process_time() - started
    change = np.abs(found - space.origin[right]).max(axis=1)
    reported = np.where(change > 1e-6, change, np.inf)
    print(f"HopSkipJump, {name}, {len(right)} rows")
    for side, seconds, far, left in (
        ("ART directly", theirs, reported, float((change <= 1e-6).mean())),
        ("the step's", ours, distance, float(np.isinf(distance).mean())),
    ):
        accuracies = "  ".join(f"{epsilon:g}: {(far > epsilon).mean():.3f}" for epsilon in EPSILONS)
        print(f"  {side:<13} {seconds:7.2f} s CPU   not attacked {left:.0%}   robust accuracy at {accuracies}")
    same, stronger = (
        np.array_equal(distance, again),
        all((distance > e).mean() <= (reported > e).mean() for e in EPSILONS),
    )
    faster = theirs / ours / max(float((change > 1e-6).mean()), 1 / len(right))
    print(f"  {theirs / ours:.0f} times faster, {faster:.0f} times for each row that was attacked")
    print(f"  nowhere a higher robust accuracy: {stronger}, twice the same: {same}")
    return faster >= FASTER and stronger and same and not np.isinf(distance).any()


def main(runs: int, count: int) -> int:
    bunch = load_breast_cancer(as_frame=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = [gradients(Path(folder), bunch.data, bunch.target.to_numpy(), runs)]
    for name, model in {
        "random forest of 100 trees": RandomForestClassifier(100, random_state=0),
        "gradient boosting": GradientBoostingClassifier(random_state=0),
        "support vector machine": SVC(),
        "scaler and support vector machine": make_pipeline(StandardScaler(), SVC(C=10)),
    }.items():
        kept.append(decisions(name, model, bunch.data, bunch.target.to_numpy(), count))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*given, *(3, 100)[len(given) :]))
