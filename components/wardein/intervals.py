# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals, by scipy and numpy, in the report's own type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardein.report import Interval

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95


def wilson(successes: int, n: int) -> Interval:
    """The 95 % Wilson score interval of a proportion (Wilson 1927), for n of 1 or more."""
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high), LEVEL, "wilson")


def percentile(samples: np.ndarray) -> Interval:
    """The 95 % percentile interval of bootstrap replicates, shape (replicates,), all finite (Efron 1979)."""
    import numpy as np

    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), LEVEL, "bootstrap")
