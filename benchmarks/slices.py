# SPDX-License-Identifier: Apache-2.0
"""Slices found in a table against the loop over slices that one writes with pandas, in the same run.

The loop looks at the same slices (levels of one column, neighbouring ones too, and of two columns), masks the rows of
each, and takes their mean. Prints process seconds, the ratio, and what both name. Ends with 1 if the slice that is
planted is not what both name first, if any of the means differs, or if it is not at least 5 times as fast.

Run: python benchmarks/slices.py [ROWS] [COLUMNS]
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np
import pandas as pd
from scipy.stats import norm

from wardein.statistics.levels import levels_of
from wardein.statistics.slices import find_slices

LEAST, FINE, COARSE = 50, 10, 4


def planted(rows: int, columns: int) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    table = pd.DataFrame({f"number{i}": random.normal(size=rows) for i in range(columns // 2)})
    for i in range(columns - columns // 2):
        table[f"name{i}"] = random.choice(list("abcdefgh")[: 2 + i % 7], rows)
    bad = (table["name1"] == "a") & (table["name2"] == "b")
    return table, (random.random(rows) < np.where(bad, 0.35, 0.20)).astype(float)


def by_loop(table: pd.DataFrame, values: np.ndarray) -> list[tuple[float, str, float]]:
    """For each slice the lower end of its gap's interval, by the normal distribution, its name and its mean."""
    fine = {name: levels_of(table[name], FINE, LEAST) for name in table}
    coarse = {name: levels_of(table[name], COARSE, LEAST) for name in table}
    looked_at = []
    for levels in fine.values():
        codes, ordered = pd.Series(levels.codes), len(levels.ranges)
        pairs = [(i, j) for i in range(ordered) for j in range(i, ordered)]
        for i, j in pairs + [(i, i) for i in range(ordered, levels.size)]:
            looked_at.append(_looked_at((levels.name(i, j), codes.between(i, j)), values))
    for one, other in itertools.combinations(coarse.values(), 2):
        a, b = pd.Series(one.codes), pd.Series(other.codes)
        for i, j in itertools.product(range(one.size), range(other.size)):
            name = ", ".join(sorted((one.name(i, i), other.name(j, j))))
            looked_at.append(_looked_at((name, (a == i) & (b == j)), values))
    rest = [found for found in looked_at if found is not None]
    z = norm.isf(0.0125 / len(rest))
    return sorted(((gap - z * error, name, mean) for gap, error, name, mean in rest), reverse=True)


def _looked_at(part: tuple[str, pd.Series], values: np.ndarray) -> tuple[float, float, str, float] | None:
    name, mask = part
    inside, outside = values[mask], values[~mask]
    if not LEAST <= len(inside) <= len(values) / 2:
        return None
    gap = inside.mean() - outside.mean()
    return gap, (inside.var() / len(inside) + outside.var() / len(outside)) ** 0.5, name, inside.mean()


def main(rows: int, columns: int) -> int:
    table, values = planted(rows, columns)
    find_slices(table.head(1000), list(table), values[:1000])  # imports what both sides need, outside of the clock
    started = time.process_time()
    found = find_slices(table, list(table), values)
    between = time.process_time()
    loop = by_loop(table, values)
    ours, theirs = between - started, time.process_time() - between
    means = {name: mean for _, name, mean in loop}
    same = bool(found) and found[0].name == loop[0][1] == "name1=a, name2=b"
    same &= all(abs(slice.inside - means[slice.name]) < 1e-12 for slice in found)
    print(f"rows {rows}, columns {columns}, {len(loop)} slices, one thread; process seconds")
    print(f"  find_slices       {ours:8.3f}   names {len(found)}: {'; '.join(slice.name for slice in found)}")
    print(f"  loop with pandas  {theirs:8.3f}   names {sum(low > 0 for low, _, _ in loop)}, first {loop[0][1]}")
    print(f"  ratio {ours / theirs:.4f}; same slice first, same means: {same}")
    return 0 if same and ours * 5 <= theirs else 1


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*given, *(100_000, 20)[len(given) :]))
