# SPDX-License-Identifier: Apache-2.0
"""What it costs to have wardein: importing the operators beside Airflow, and printing help.

    python benchmarks/startup.py [RUNS]

Fresh processes, turn by turn; the median of their CPU seconds, and ratios in this run. Targets: importing
``wardein.airflow`` costs at most 5 % more than importing ``airflow.sdk``; ``wardein --help`` at most 3 times
``python -c pass``. Ends with 1 if a target is missed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from statistics import median

COMMANDS = {
    "import airflow.sdk, as operators do": ["-c", "from airflow.sdk import BaseOperator"],
    "import wardein.airflow": ["-c", "import wardein.airflow"],
    "python -c pass": ["-c", "pass"],
    "wardein --help": ["-m", "wardein", "--help"],
}
TARGETS = {
    ("import wardein.airflow", "import airflow.sdk, as operators do"): 1.05,
    ("wardein --help", "python -c pass"): 3.0,
}


def cpu(arguments: list[str]) -> float:
    """The CPU seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int) -> int:
    """Measure, print, and compare with the targets."""
    for arguments in COMMANDS.values():
        cpu(arguments)
    times = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, arguments in COMMANDS.items():
            times[name].append(cpu(arguments))
    medians = {name: median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{value:8.3f} s  {name}")
    missed = 0
    for (name, peer), target in TARGETS.items():
        ratio = medians[name] / medians[peer]
        missed += ratio > target
        print(f"{ratio:8.2f}    {name} over {peer} (target: at most {target})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
