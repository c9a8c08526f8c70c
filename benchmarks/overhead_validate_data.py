# SPDX-License-Identifier: Apache-2.0
"""What validate-data costs over calling Great Expectations directly on the same file with the same suite.

    python benchmarks/overhead_validate_data.py [ROWS] [RUNS]

Both sides run as processes of their own, turn by turn: read one CSV file of 20 columns, validate 41 expectations,
print the share that was met. The step also hashes its inputs twice, counts the fields of every row and writes a
report. Prints the median CPU seconds of both, the ratio and the target, 1.15 times the direct call plus 0.5 s.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DIRECT = """
import json, logging, sys
logging.getLogger("great_expectations").setLevel(logging.ERROR)
import great_expectations as gx
import pandas as pd

context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
table = pd.read_csv(sys.argv[1])
asset = context.data_sources.add_pandas("p").add_dataframe_asset("a")
batch = asset.add_batch_definition_whole_dataframe("b").get_batch(batch_parameters={"dataframe": table})
suite = gx.ExpectationSuite(**json.load(open(sys.argv[2])))
result = batch.validate(suite, result_format="SUMMARY")
print(json.dumps(result.statistics["success_percent"] / 100))
"""


def make(folder: Path, rows: int) -> tuple[Path, Path]:
    """A table of 8 measurements, 6 counts and 6 categories with some missing values, and a suite for it."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"measure{n}": random.normal(size=rows).round(4) for n in range(8)}
        | {f"count{n}": random.integers(0, 1000, rows) for n in range(6)}
        | {f"kind{n}": random.choice(["alpha", "beta", "gamma, x", "delta"], rows) for n in range(6)}
    )
    frame.loc[::50, "measure0"] = np.nan
    frame.to_csv(folder / "data.csv", index=False)
    expectations = [("expect_table_columns_to_match_ordered_list", {"column_list": list(frame.columns)})]
    for name in frame.columns:
        expectations.append(("expect_column_values_to_not_be_null", {"column": name, "mostly": 0.97}))
        if name.startswith("kind"):
            values = ["alpha", "beta", "gamma, x", "delta"]
            expectations.append(("expect_column_values_to_be_in_set", {"column": name, "value_set": values}))
        else:
            limits = {"column": name, "min_value": -6, "max_value": 1000}
            expectations.append(("expect_column_values_to_be_between", limits))
    suite = {"name": "s", "expectations": [{"type": t, "kwargs": k, "meta": {}} for t, k in expectations], "meta": {}}
    (folder / "suite.json").write_text(json.dumps(suite))
    return folder / "data.csv", folder / "suite.json"


def cost(command: list[str]) -> tuple[float, str]:
    """CPU seconds of a child process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, printed


def main(rows: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, suite = make(Path(folder), rows)
        direct, step = [], []
        for _ in range(runs):
            seconds, printed = cost([sys.executable, "-c", DIRECT, str(data), str(suite)])
            direct.append(seconds)
            share = json.loads(printed)
            arguments = ["validate-data", "--data", str(data), "--suite", str(suite), "--json"]
            seconds, printed = cost([sys.executable, "-m", "wardein", *arguments])
            step.append(seconds)
            (met,) = [m["value"] for m in json.loads(printed)["metrics"] if m["name"] == "expectations_met"]
            if met != share:
                raise SystemExit(f"the two disagree: {met} and {share} of the expectations met")
        own, theirs = statistics.median(step), statistics.median(direct)
        allowed = 1.15 * theirs + 0.5
        print(f"{rows} rows, {data.stat().st_size / 1e6:.0f} MB, {runs} runs each, CPU seconds")
        print(f"great expectations  {theirs:.2f}")
        print(f"validate-data       {own:.2f}")
        verdict = "within" if own <= allowed else "OVER"
        print(f"ratio               {own / theirs:.2f}  ({verdict} the target {allowed:.2f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
