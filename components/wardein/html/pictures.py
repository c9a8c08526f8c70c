# SPDX-License-Identifier: Apache-2.0
"""Pictures of metrics: a curve with its interval band, or groups with their whiskers, as inline SVG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wardein.report import Criterion, Metric, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Slice keys that are continuous quantities: metrics that differ in one of them are points of a curve.
AXES = {
    "epsilon": "perturbation ε, in units of each feature's scale",
    "probability": "predicted probability",
    "edits": "columns edited",
    "fpr": "false positive rate (logarithmic)",
    "noise": "noise, in units of each feature's scale",
    "missing": "share of cells missing",
    "outcomes": "outcomes seen",
}
_LOGARITHMIC = ("fpr",)
# Whose picture comes first; metrics that are not named come after them.
FIRST = (
    "robust_accuracy",
    "membership_auc",
    "membership_tpr",
    "accuracy_difference",
    "demographic_parity_difference",
    "selection_rate",
    "observed_share",
    "recall",
)
# What stands in the picture of another metric, and what it is called there.
_BESIDE = {"certified_accuracy": ("robust_accuracy", "proven to stand")}
# What says nothing that the picture of another metric does not say.
_LEFT_OUT = ("robustness", "train_overlap", "membership_control_auc", "inversion_baseline", "inversion_correlation")
MAX_GROUPS, MAX_PICTURES = 24, 6
_COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#b45309", "#0f766e")
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wardein",
    "text.parse_math": False,  # names come from data: a dollar sign is a dollar sign
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def pictures(report: Report) -> list[str]:
    """An SVG for each proportion that was measured on more than one slice, and differs; the most telling ones first."""
    drawn: dict[tuple[str, str], list[Metric]] = {}
    for metric in report.metrics:
        if metric.slice and metric.unit == "1" and metric.name not in _LEFT_OUT:
            name, _ = _BESIDE.get(metric.name, (metric.name, ""))
            drawn.setdefault((name, _axis(metric)), []).append(metric)
    found = []
    for (name, axis), metrics in sorted(drawn.items(), key=lambda item: _rank(item[0][0])):
        if len(metrics) > 1 and len({metric.value for metric in metrics}) > 1:
            criteria = [criterion for criterion in report.criteria if criterion.metric == name]
            if axis or len(metrics) <= MAX_GROUPS:
                found.append(_curve(name, metrics, axis, criteria) if axis else _groups(metrics, criteria))
    return found[:MAX_PICTURES]


def slices(metric: Metric) -> dict[str, str]:
    """The parts of a slice, ``a=1, b=2``, by name."""
    return dict(part.partition("=")[::2] for part in metric.slice.split(", "))


def _axis(metric: Metric) -> str:
    return next((key for key in AXES if key in slices(metric)), "")


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _curve(name: str, metrics: Sequence[Metric], axis: str, criteria: Sequence[Criterion]) -> str:
    figure, axes = _figure(5.0, 3.0)
    series: dict[str, list[Metric]] = {}
    for metric in metrics:
        rest = ", ".join(f"{key} {value}" for key, value in slices(metric).items() if key != axis)
        series.setdefault(_BESIDE.get(metric.name, ("", rest))[1], []).append(metric)
    for colour, (label, points) in zip(_COLOURS * len(series), series.items(), strict=False):
        points.sort(key=lambda metric: float(slices(metric)[axis]))
        x = [float(slices(metric)[axis]) for metric in points]
        axes.plot(x, [metric.value for metric in points], color=colour, marker="o", markersize=4, label=label or None)
        if all(metric.ci for metric in points):
            low, high = ([end for m in points if m.ci for end in (getattr(m.ci, side),)] for side in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for criterion in criteria:
        at = dict(part.partition("=")[::2] for part in criterion.slice.split(", ")).get(axis)
        if at is not None:
            marker = "^" if criterion.comparator == ">=" else "v"
            axes.plot([float(at)], [criterion.threshold], marker, color="#111827", markersize=8, clip_on=False)
            axes.annotate(
                f" {criterion.comparator} {criterion.threshold:g}", (float(at), criterion.threshold), va="top"
            )
    if axis in _LOGARITHMIC:
        axes.set_xscale("log")
        places = sorted({float(slices(metric)[axis]) for metric in metrics})
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.set_xticks([], minor=True)
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel(_words(name))
    _unit_range(axes.set_ylim, metrics)
    if any(series):
        axes.legend(frameon=False, loc="best")
    return _svg(figure, f"{_words(name)} against {axis}")


def _groups(metrics: Sequence[Metric], criteria: Sequence[Criterion]) -> str:
    labels = [f"{m.slice}  (n={m.n})" for m in reversed(metrics)]
    figure, axes = _figure(3.2 + 0.075 * max(map(len, labels)), 0.9 + 0.32 * len(metrics))
    for row, metric in enumerate(reversed(metrics)):
        if metric.ci:
            axes.plot([metric.ci.low, metric.ci.high], [row, row], color=_COLOURS[0], linewidth=5, alpha=0.25)
        axes.plot([metric.value], [row], "o", color=_COLOURS[0])
    axes.set_yticks(range(len(metrics)), labels)
    shown = {metric.slice for metric in metrics}
    for criterion in criteria:
        if criterion.slice and criterion.slice not in shown:
            continue
        axes.axvline(criterion.threshold, color="#111827", linestyle="--", linewidth=1)
    axes.set_xlabel(_words(metrics[0].name))
    axes.set_ylim(-0.6, len(metrics) - 0.4)
    axes.grid(axis="x", alpha=0.25)
    _unit_range(axes.set_xlim, metrics)
    return _svg(figure, f"{_words(metrics[0].name)} by group")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _unit_range(set_limits: Any, metrics: Sequence[Metric]) -> None:
    if metrics[0].unit == "1" and all(0 <= metric.value <= 1 for metric in metrics):
        set_limits(-0.02, 1.02)


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # matplotlib warns of letters that its fonts lack, and names from the data would reach the terminal.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    return buffer.getvalue().partition("?>")[2].partition(">")[2]


def _words(name: str) -> str:
    return name.replace("_", " ")
