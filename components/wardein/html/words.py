# SPDX-License-Identifier: Apache-2.0
"""A report in one paragraph: what was tried, what came out of it, and what would change the verdict.

Everything in it is read off the report. Where a report does not say something, neither does the paragraph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wardein.report import Criterion, Metric, Report, Verdict


def words(report: Report) -> str:
    """The paragraph of a check of models; of any other step, nothing."""
    tried = _TRIED.get(report.check)
    if tried is None:
        return ""
    return " ".join(part for part in (tried(report), *_meaning(report), _change(report)) if part)


def _robustness(report: Report) -> str:
    attacks = sorted({_part(m, "attack") for m in report.metrics if m.name == "robust_accuracy"} - {"worst", ""})
    first = next((m for m in report.metrics if m.name == "robust_accuracy"), None)
    if first is None:
        return ""
    return (
        f"{first.n} rows were changed on purpose, by {_listed(attacks)}, as little as was needed to make the model "
        "wrong; a row counts as robust only if every attack failed on it."
    )


def _fairness(report: Report) -> str:
    groups = [m for m in report.metrics if m.name == "selection_rate"]
    compared = {m.slice.partition("=")[2] for m in report.metrics if m.name == "demographic_parity_difference"}
    if not groups:
        return ""
    return (
        f"The model's answers were counted for {len(groups)} groups of people, and the groups were compared"
        f"{f' by {_listed(sorted(compared))}' if compared else ''}. An interval says how far chance alone could move a "
        "number."
    )


def _performance(report: Report) -> str:
    return (
        f"The model predicted {report.coverage.examined} rows with known answers that it should not have seen before."
    )


def _privacy(report: Report) -> str:
    attacks = sorted({_part(m, "attack") for m in report.metrics if m.name == "membership_auc"} - {"worst", ""})
    if not attacks:
        return ""
    return (
        f"Somebody who may ask the model was played, by {_listed(attacks)}: can they tell rows that it was trained on "
        "from rows that it was not? 0.5 is a coin toss, 1 is certainty."
    )


def _behavior(report: Report) -> str:
    return (
        f"{report.coverage.examined} of {report.coverage.expected} {report.coverage.unit} were gone through for ways "
        "in which the model behaves worse than its average says."
    )


def _comparison(report: Report) -> str:
    return (
        f"The new model and the one in use answered the same {report.coverage.examined} {report.coverage.unit}; where "
        "they differ, it was counted who was right."
    )


_TRIED: Mapping[str, Callable[[Report], str]] = {
    "evaluate_robustness": _robustness,
    "evaluate_fairness": _fairness,
    "evaluate_performance": _performance,
    "evaluate_privacy": _privacy,
    "evaluate_behavior": _behavior,
    "compare_models": _comparison,
}


def _meaning(report: Report) -> list[str]:
    """The criteria that decided, at most two: those that are not met come first."""
    if not report.criteria:
        return ["Nothing was demanded of the numbers, so that they are only told."] if report.metrics else []
    decisive = sorted(report.criteria, key=lambda criterion: bool(criterion.met))[:2]
    return [text for text in (_criterion(criterion, report) for criterion in decisive) if text]


def _criterion(criterion: Criterion, report: Report) -> str:
    metric = next((m for m in report.metrics if (m.name, m.slice) == (criterion.metric, criterion.slice)), None)
    if metric is None:
        return f"{_name(criterion)} was demanded, and was not measured."
    least = "at least" if criterion.comparator == ">=" else "at most"
    text = f"{_name(criterion)} is {metric.value:.3g}"
    if metric.ci:
        text += f", and by 95 % confidence between {metric.ci.low:.3g} and {metric.ci.high:.3g}"
    met = "" if criterion.met else "not "
    return f"{text}; {least} {criterion.threshold:g} is demanded{_of(criterion)}, which is {met}met."


def _of(criterion: Criterion) -> str:
    """Which number the demand is about."""
    if criterion.bound == "point":
        return " of the estimate"
    worst = (criterion.bound == "ci_low") == (criterion.comparator == ">=")
    return " even of the unfavourable end" if worst else " of the favourable end"


def _change(report: Report) -> str:
    """What would change the verdict."""
    if report.verdict is Verdict.ERROR:
        left = report.coverage.skipped[0] if report.coverage.skipped else None
        return f"Not everything was examined, which counts as not passed: {left.what}: {left.reason}." if left else ""
    failing = [finding for finding in report.findings if finding.fails and not finding.suppressed]
    open_ = [criterion for criterion in report.criteria if not criterion.met]
    if failing:
        return f"What fails it: {failing[0].message}{f', and {len(failing) - 1} more' if len(failing) > 1 else ''}."
    if open_ and open_[0].note.startswith("inconclusive"):
        _, _, rest = open_[0].note.partition("; ")
        return f"The rows are too few to tell: {rest}." if rest else "The rows are too few to tell."
    if open_:
        return "More rows would not change that; another model might."
    return ""


def _name(criterion: Criterion) -> str:
    where = f" ({criterion.slice})" if criterion.slice else ""
    return f"{criterion.metric.replace('_', ' ').capitalize()}{where}"


def _part(metric: Metric, key: str) -> str:
    parts = dict(part.partition("=")[::2] for part in metric.slice.split(", "))
    return parts.get(key, "")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
