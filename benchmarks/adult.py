# SPDX-License-Identifier: Apache-2.0
"""Every evaluation on the Adult data set (Kohavi 1996) at default settings: what it says, its seconds, its memory.

    python benchmarks/adult.py [--write] [CHECK ...]

The model is gradient boosting over all fourteen columns, as text and numbers come; the one in use is a logistic
regression. Each check is a process of its own, as its users start it: seconds on the clock, and the most memory that it
and the processes that it starts hold together. The target is a minute and 2 GB for each. Needs the data set in
../shared/data (adult-train.csv.gz, adult-test.csv.gz). With --write the table goes into docs/evaluations.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from tabulate import tabulate

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "evaluations.md"
BEGIN, END = "<!-- measured: written by benchmarks/adult.py -->\n", "<!-- end of measured -->"
LABEL = "income"
COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", LABEL),
)
SECONDS, MEBIBYTES = 60, 2048
CALLS: dict[str, list[str]] = {
    "evaluate-performance": ["--reference", "train.parquet"],
    "evaluate-robustness": [],
    "evaluate-fairness": ["--sensitive", "sex", "race"],
    "evaluate-privacy": ["--reference", "train.parquet"],
    "evaluate-behavior": ["--champion", "champion.skops"],
    "compare-models": ["--champion", "champion.skops"],
}
# What of each report stands in the table.
TOLD: dict[str, list[str]] = {
    "evaluate-performance": ["accuracy", "roc_auc", "calibration_error"],
    "evaluate-robustness": ["robust_accuracy[attack=worst, epsilon=0.1]"],
    "evaluate-fairness": ["demographic_parity_difference[attribute=sex]", "equalized_odds_difference[attribute=sex]"],
    "evaluate-privacy": ["membership_auc[attack=worst]", "membership_tpr[attack=worst, fpr=0.01]"],
    "evaluate-behavior": [],
    "compare-models": ["accuracy_difference", "disagreement_rate"],
}


def read(part: str) -> pd.DataFrame:
    """Adult as it was published, with names, and with one spelling of the label."""
    with gzip.open(DATA / f"adult-{part}.csv.gz", "rt") as file:
        table = pd.read_csv(file, names=list(COLUMNS), skipinitialspace=True, comment="|")
    return table.assign(**{LABEL: table[LABEL].str.rstrip(".")})


def prepare(folder: Path) -> None:
    """Train the two models, and write the tables."""
    train, test = read("train"), read("test")
    texts, numbers = make_column_selector(dtype_include=["object", "str"]), make_column_selector(dtype_include="number")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    boosted = make_pipeline(
        make_column_transformer((codes, texts), remainder="passthrough"), HistGradientBoostingClassifier(random_state=0)
    )
    linear = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), texts), (StandardScaler(), numbers)),
        LogisticRegression(max_iter=1000),
    )
    for name, model in (("model", boosted), ("champion", linear)):
        skops.io.dump(model.fit(train.drop(columns=LABEL), train[LABEL]), folder / f"{name}.skops")
    train.to_parquet(folder / "train.parquet", index=False)
    test.to_parquet(folder / "test.parquet", index=False)


def run(check: str, folder: Path) -> tuple[dict[str, Any], float, float]:
    """The report of one check, its seconds, and the most mebibytes that it held."""
    command = [sys.executable, "-m", "wardein", check, "--model", "model.skops", "--data", "test.parquet"]
    command += ["--label", LABEL, *CALLS[check], "--json"]
    began, most = time.monotonic(), 0
    with (folder / "report.json").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            most = max(most, sum(held(one) for one in tree(process.pid)))
            time.sleep(0.1)
    seconds = time.monotonic() - began
    return json.loads((folder / "report.json").read_bytes()), seconds, most / 1024


def tree(process: int) -> Iterator[int]:
    """A process and all that it started."""
    yield process
    with suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def held(process: int) -> int:
    """The kibibytes that a process holds; what it shares with others counts in part (PSS)."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def told(check: str, report: dict[str, Any]) -> str:
    labels = {f"{m['name']}[{m['slice']}]" if m.get("slice") else m["name"]: m for m in report.get("metrics", [])}
    parts = []
    for label in TOLD[check]:
        if label in labels:
            metric = labels[label]
            ends = f" [{metric['ci']['low']:.3f}, {metric['ci']['high']:.3f}]" if metric.get("ci") else ""
            parts.append(f"{label} {metric['value']:.3f}{ends}")
    findings = len([f for f in report.get("findings", []) if f.get("severity") != "info"])
    return "; ".join([*parts, f"{findings} finding{'s' if findings != 1 else ''} above info"])


def main(arguments: Sequence[str]) -> int:
    """Measure; returns 1 if a check misses a target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", choices=[*CALLS, []], default=[], metavar="CHECK")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args(arguments)
    if not (DATA / "adult-train.csv.gz").is_file():
        print("Adult is not there: give it in ../shared/data")
        return 0
    rows, missed = [], False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for check in given.checks or CALLS:
            report, seconds, mebibytes = run(check, folder)
            missed |= seconds > SECONDS or mebibytes > MEBIBYTES or report["verdict"] == "ERROR"
            rows.append([f"`{check}`", report["verdict"], told(check, report), f"{seconds:.0f}", f"{mebibytes:.0f}"])
            print(f"{check}: {report['verdict']}: {report['reason']}", file=sys.stderr, flush=True)
    table = tabulate(rows, ["check", "verdict", "numbers", "seconds", "MiB"], tablefmt="github")
    text = f"{table}\n\n{os.cpu_count()} processor cores.\n"
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
