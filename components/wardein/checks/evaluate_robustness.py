# SPDX-License-Identifier: Apache-2.0
"""evaluate_robustness: how much of a classifier's accuracy is left under small, deliberate changes of its inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from wardein.artifacts import Dataset, Features, Judged, Model, Threshold
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Criterion, Finding, Metric, Report, Severity, Skipped, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import End

if TYPE_CHECKING:
    import numpy as np

    from wardein.attacks.budget import Budget, Exhausted
    from wardein.attacks.corruption import Corrupted
    from wardein.attacks.edits import Edited
    from wardein.attacks.space import Space
    from wardein.attacks.sweep import Sweep
    from wardein.attacks.task import Task
    from wardein.features import Declared

Attack = Literal["auto", "fgsm", "pgd", "apgd", "hopskipjump", "square", "trees", "edits"]
# How many rows are made noisy.
_CORRUPTED = 2000
_MOST_EDITS = 3
# How many of the decisions on columns are told.
_TOLD = 50


def evaluate_robustness(
    model: Model,
    data: Dataset,
    label: str,
    attack: Attack = "auto",
    norm: Literal["linf", "l2"] = "linf",
    epsilons: list[float] = [0.05, 0.1, 0.2, 0.4],  # noqa: B006 - read, never changed
    at_epsilon: Threshold = 0.1,
    min_robust_accuracy: Threshold = 0.0,
    at_edits: Annotated[int, Judged()] = 1,
    min_robust_accuracy_edits: Threshold = 0.0,
    noise: list[float] = [0.1, 0.3],  # noqa: B006 - read, never changed
    missing: list[float] = [0.05, 0.2],  # noqa: B006 - read, never changed
    min_corrupted_accuracy: Threshold = 0.0,
    bound: Annotated[End, Judged()] = "worst",
    reference: Dataset | None = None,
    features: Features | None = None,
    immutable: list[str] = [],  # noqa: B006 - read, never changed
    mutable: list[str] = [],  # noqa: B006 - read, never changed
    max_rows: int = 200,
    restarts: int = 2,
    max_queries: int = 10_000_000,
    max_seconds: int = 600,
    stop_early: bool = True,
    seed: int = 0,
) -> Report:
    """Attack a classifier's inputs, and fail if too little of its accuracy is left.

    Every numeric feature may change, all of them at once, by at most epsilon in units of its standard deviation: each
    of them by that much (the largest-change norm), or the root of the sum of their squares (l2). Robust accuracy is
    the share of all attacked rows that the model gets right and still gets right whatever an attack tried within
    epsilon; a row that it gets wrong to begin with counts as lost, and epsilon=0 is its plain accuracy on these rows.
    Robustness is the same share among the rows it gets right. Both never rise with epsilon, as what fell within a
    small change falls within a larger one. They are upper bounds: a stronger attack can only lower them.

    Changes stay within the range seen of each column, and columns of whole numbers move in whole steps. Held fixed
    are columns that are not numeric, columns with two values or at most ten different whole ones (categories,
    one-hot columns), constant ones and those declared immutable; the report lists them. An adversarial example
    counts only if the model itself gets the finished table row wrong. The report tells the nearest ones in words.

    Models with gradients are attacked with FGSM and PGD of the Adversarial Robustness Toolbox and, unless they are
    linear, with Auto-PGD on two losses, always with the true labels: linear classifiers and multi-layer perceptrons,
    also at the end of a Pipeline whose other steps are affine in the columns that may move, such as scalers, and torch
    models. That this view of the model is the model is checked on the data. On linear models of up to ten classes
    PGD finds the exact worst case. On 20 rows HopSkipJump, which needs predictions only, checks that the gradients do
    not mislead; where it gets clearly further, the verdict is FAIL, as the robust accuracy is an illusion. Models made
    of trees are attacked through their trees, which for a single tree finds the nearest example there is, and by
    HopSkipJump; the report also holds the share of rows that is certain to withstand any attack. All other models are
    attacked with HopSkipJump. A row that it cannot start on, and no other attack could try, is not examined, and
    makes the verdict ERROR.

    In tables of mixed columns an attacker does not add a little to every number, but changes a few fields. Where the
    columns are declared (features), or with the attack "edits", rows that could exist are searched for up to three
    edits that make the model wrong: other categories and values that were observed, what follows follows, one-hot
    groups move as one. Robust accuracy is then given over the number of edits; this is no part of attack=worst.

    Rows are attacked in blocks, drawn at random in proportion to the classes. Once min_robust_accuracy can no longer
    be met, even if all further rows stood, the rest is left out: coverage then counts the rows that it took to decide.

    Beside attacks, the accuracy under Gaussian noise and under missing values is measured on up to 2,000 rows.

    Args:
        model: The fitted classifier: skops, or a pickle or joblib file of a scikit-learn model or Pipeline.
        data: Labelled rows that the model has not seen, as CSV or Parquet, with the model's features and the label.
        label: The column with the true class.
        attack: "auto" chooses by the model, as described above. A named attack runs alone; "fgsm", "pgd" and "apgd"
            end in ERROR where there are no gradients, "trees" where there are no trees, "square" (random search)
            where there are no probabilities. "edits" changes fields instead of adding to numbers.
        norm: How the size of a change is measured. "linf" is the largest change of any column, "l2" the root of the
            sum of the squares of all changes; both in standard deviations.
        epsilons: The largest changes to try, in standard deviations of each feature. Repeat the option for each.
        at_epsilon: The epsilon, one of epsilons, at which min_robust_accuracy is demanded.
        min_robust_accuracy: The smallest tolerated robust accuracy against all attacks that ran together, 0 to 1; 0
            measures without judging.
        at_edits: How many edits, 1 to 3, min_robust_accuracy_edits is demanded at.
        min_robust_accuracy_edits: The smallest tolerated robust accuracy under edits of single columns, 0 to 1; 0
            measures without judging. It needs features, or the attack "edits".
        noise: Standard deviations of the noise to add to all columns that may move, in standard deviations of each
            feature. Repeat the option for each.
        missing: Shares of the cells to leave empty, in the columns that may move. Where the model refuses rows with
            missing numbers, the report says so, and there are no such numbers. Repeat the option for each.
        min_corrupted_accuracy: The smallest tolerated accuracy at every level of noise and of missing values, 0 to 1;
            0 measures without judging.
        bound: Which number must meet the threshold. "worst" is the lower end of the 95 % interval: a PASS means that
            the data show it, and too few rows fail as inconclusive. "point" is the estimate, "best" the upper end.
        reference: Rows that give the standard deviations instead of data, for example the training set, with the
            model's features; they widen the ranges seen as well.
        features: What the columns mean and how they may change (docs/features.md), as YAML or JSON: kinds, ranges,
            directions, columns that follow others. What it leaves out is inferred from the rows. If given, all attacks
            keep to it, and "auto" searches among edits as well.
        immutable: Columns that an attacker cannot change. Repeat the option for more than one.
        mutable: If given, exactly the columns that an attacker can change; few-valued ones may be among them.
        max_rows: How many rows to attack at most. More are sampled down, in proportion to the classes. 200 rows give
            an interval of about ±0.07.
        restarts: How many random starts PGD adds to the one at the row itself.
        max_queries: How many rows the attacks may ask the model about in all. Rows that are not attacked when they
            run out are not examined, and the verdict is ERROR. HopSkipJump takes about 2,700 a row.
        max_seconds: How long loading the model and attacking it may take; what it leaves out is ERROR likewise.
        stop_early: Whether to stop once the threshold can no longer be met.
        seed: Seeds the sample and the attacks; the same seed gives the same report.

    Returns:
        A report with robust accuracy and robustness over epsilon for each attack and for all together (attack=worst),
        certified accuracy of trees, accuracy under noise and missing values, what the attacks cost, and the nearest
        adversarial examples in words.

    Raises:
        WardeinError: If the model or data cannot be read, no feature can be changed, the model predicts a single class,
            gets every row wrong or answers differently each time, or the named attack needs what the model has not.

    References:
        Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples. Madry et al. (2018),
        Towards deep learning models resistant to adversarial attacks. Gowal et al. (2019), An alternative surrogate
        loss for PGD-based adversarial testing. Croce and Hein (2020), Reliable evaluation of adversarial robustness.
        Chen, Jordan and Wainwright (2020), HopSkipJumpAttack. Andriushchenko et al. (2020), Square Attack. Yang et
        al. (2020), Robustness for non-parametric classification. Carlini et al. (2019), On evaluating adversarial
        robustness. Athalye, Carlini and Wagner (2018), Obfuscated gradients give a false sense of security. Alling
        (1963), Early decision in the Wilcoxon two-sample test.
    """
    from wardein.attacks import account
    from wardein.attacks.arms import arms_of
    from wardein.attacks.budget import Budget, Exhausted
    from wardein.attacks.examples import MOST
    from wardein.attacks.sweep import Sweep
    from wardein.attacks.task import task_of
    from wardein.models.confinement import Limits
    from wardein.models.load import load
    from wardein.tables import read_table
    from wardein.tools.versions import packages

    _check_levels(epsilons, noise, missing)
    _check_numbers(max_rows=max_rows, restarts=restarts, max_queries=max_queries, max_seconds=max_seconds, seed=seed)
    _check_thresholds(
        min_robust_accuracy=min_robust_accuracy,
        min_robust_accuracy_edits=min_robust_accuracy_edits,
        min_corrupted_accuracy=min_corrupted_accuracy,
    )
    _check_places(epsilons, at_epsilon if min_robust_accuracy > 0 else epsilons[0], at_edits)
    _check_measured(
        attack,
        features is not None,
        on_curve=max(min_robust_accuracy, min_corrupted_accuracy) > 0,
        on_edits=min_robust_accuracy_edits > 0,
    )
    end = intervals.counted(bound, ">=")
    at = f"attack={account.WORST}, epsilon={at_epsilon:g}"
    wanted = Criterion("robust_accuracy", ">=", min_robust_accuracy, end, slice=at)
    edits_wanted = replace(wanted, threshold=min_robust_accuracy_edits, slice=f"attack=edits, edits={at_edits}")

    def settled(sweep: Sweep) -> bool:
        lost = int((sweep.together[sweep.done] <= at_epsilon).sum())
        return stop_early and account.certainly_failed(lost, len(sweep.done), wanted)

    budget = Budget(max_queries, max_seconds)
    try:
        with load(model, limits=Limits(seconds=max_seconds)) as classifier, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ART warns at every call
            task = task_of(classifier, read_table(data), label, reference, features, immutable, max_rows, seed)
            attacked = edited = None
            if attack != "edits":
                space = task.space(task.columns(immutable, mutable), norm, budget)
                spoilt = _corrupted(task, space, noise, missing)
                sweep = Sweep(
                    space, task.truth, task.right, sorted(epsilons), arms_of(task, space, attack, restarts), seed
                )
                sweep.run(task.order(), settled)
                if sweep.exhausted and not sweep.done.any():
                    raise sweep.exhausted
                attacked = _Attacked(space, sweep, spoilt)
            if attack == "edits" or (attack == "auto" and features):
                edited = _edited(task, attacked, immutable, budget)
            examples = [*_told(task, edited), *_nearest(task, attacked)][:MOST]
    except Exhausted as error:
        raise _too_little(error) from None
    except WardeinError:
        if budget.late:
            raise _too_little(budget.over) from None
        raise
    criteria = [wanted] if min_robust_accuracy > 0 else []
    criteria += [edits_wanted] if min_robust_accuracy_edits > 0 else []
    if attacked and min_corrupted_accuracy > 0:
        slices = [metric.slice for metric in account.corrupted(attacked.corrupted)]
        criteria += [Criterion("corrupted_accuracy", ">=", min_corrupted_accuracy, end, slice=at) for at in slices]
    toolbox = attacked is not None and attacked.sweep.arms.network is not None
    return conclude(
        coverage=_coverage(task, attacked, edited),
        tools=packages(*(["adversarial-robustness-toolbox"] if toolbox else []), "scikit-learn"),
        metrics=list(_metrics(task, attacked, edited)),
        criteria=criteria,
        findings=[*_findings(task, attacked, edited, wanted, at_epsilon), *examples],
    )


@dataclass(frozen=True)
class _Attacked:
    """What attacks and corruptions did to the rows."""

    space: Space
    sweep: Sweep
    corrupted: Corrupted

    @property
    def stopped(self) -> bool:
        """Whether the verdict was certain before every row was attacked."""
        return self.sweep.exhausted is None and not bool(self.sweep.done.all())


@dataclass(frozen=True)
class _Edits:
    """What edits of single columns did.

    Attributes:
        rows: The rows that were edited, as places among those to attack.
        declared: What the columns mean.
        edited: What was found; None if that was cut short.
        examples: The class predicted for each example, in their order.
        left: Why it was cut short.
    """

    rows: np.ndarray
    declared: Declared
    edited: Edited | None
    predicted: np.ndarray | None = None
    left: str = ""


def _corrupted(task: Task, space: Space, noise: list[float], missing: list[float]) -> Corrupted:
    from wardein.attacks.corruption import corrupt

    rows, labels = task.sampled(space.columns, space.budget, _CORRUPTED)
    return corrupt(rows, labels, sorted(noise), sorted(missing), task.seed)


def _edited(task: Task, attacked: _Attacked | None, immutable: list[str], budget: Budget) -> _Edits:
    """Search among edits; where the other attacks stopped early, on the rows that these attacked."""
    import numpy as np

    from wardein.attacks.budget import Exhausted
    from wardein.attacks.edits import search
    from wardein.features import complete

    declared = task.declared or complete(None, task.observed, immutable)
    places = np.arange(len(task.rows)) if attacked is None else np.flatnonzero(attacked.sweep.done)
    if attacked and attacked.sweep.exhausted:
        return _Edits(places, declared, None, left=str(attacked.sweep.exhausted))
    rows, right = task.features.iloc[task.rows[places]], np.flatnonzero(task.right[places])
    try:
        found = search(
            task.classifier,
            rows,
            declared,
            task.truth[places],
            right,
            task.observed,
            _MOST_EDITS,
            seed=task.seed,
            take=budget.take,
        )
        budget.take(len(found.examples))
    except Exhausted as error:
        if attacked is None:
            raise
        return _Edits(places, declared, None, left=str(error))
    index = {name: i for i, name in enumerate(task.classifier.classes.tolist())}
    said = task.classifier.predict(found.examples).tolist() if len(found.examples) else []
    return _Edits(places, declared, found, np.array([index[name] for name in said], dtype=int))


def _nearest(task: Task, attacked: _Attacked | None) -> list[Finding]:
    """The nearest adversarial examples, in words; as far as the budget allows."""
    import numpy as np

    from wardein.attacks import examples
    from wardein.attacks.budget import Exhausted

    if attacked is None or attacked.sweep.exhausted:
        return []
    space, sweep = attacked.space, attacked.sweep
    fell = np.flatnonzero(np.isfinite(sweep.together) & sweep.right & sweep.done)
    points, distance = space.origin[fell], np.full(len(fell), np.inf)
    for name, found in sweep.points.items():
        far = np.where(np.isfinite(sweep.fell_at[name][fell]), space.distance(fell, found[fell]), np.inf)
        points = np.where((far < distance)[:, None], found[fell], points)
        distance = np.minimum(far, distance)
    try:
        flips = examples.nearest(space, task.truth, fell, points)
    except Exhausted:  # the attacks themselves are through
        return []
    return list(examples.findings(space, flips, task.rows + 1, task.truth, task.outcomes.classes))


def _told(task: Task, edits: _Edits | None) -> list[Finding]:
    """The rows that the fewest edits make fall, in words; half of all that is told."""
    from wardein.attacks import examples

    if edits is None or edits.edited is None or edits.predicted is None:
        return []
    numbers, truth = task.rows[edits.rows] + 1, task.truth[edits.rows]
    classes, most = task.outcomes.classes, examples.MOST // 2
    return list(examples.edits(edits.edited, edits.predicted, numbers, truth, classes, most))


def _coverage(task: Task, attacked: _Attacked | None, edits: _Edits | None) -> Coverage:
    from wardein.attacks import account

    n = len(task.rows)
    coverage = account.coverage(attacked.sweep, n, attacked.stopped) if attacked else Coverage("rows", n, n)
    if edits is None:
        return coverage
    if edits.edited is None:
        left = Skipped(f"edits of {len(edits.rows)} rows", f"{edits.left}; allow more, or lower --max-rows")
        return replace(coverage, skipped=(*coverage.skipped, left))
    untried = len(edits.edited.unattacked)
    if untried == 0:
        return coverage
    left = Skipped(f"edits of {untried} rows", "no edit of them is allowed; let more columns change (--features)")
    examined = coverage.examined if attacked else n - untried
    return replace(coverage, examined=examined, skipped=(*coverage.skipped, left))


def _metrics(task: Task, attacked: _Attacked | None, edits: _Edits | None) -> Iterator[Metric]:
    from wardein.attacks import account

    if attacked:
        yield from account.curves(attacked.sweep)
    if edits and edits.edited:
        yield from account.edited(edits.edited, _MOST_EDITS)
    if attacked:
        yield from account.certificates(attacked.sweep)
        yield from account.corrupted(attacked.corrupted)
        yield from account.costs(attacked.sweep, attacked.space, len(task.features))


def _findings(
    task: Task, attacked: _Attacked | None, edits: _Edits | None, wanted: Criterion, at_epsilon: float
) -> Iterator[Finding]:
    from wardein.attacks import account

    if attacked:
        sweep = attacked.sweep
        yield from account.held_fixed(attacked.space.columns)
        if sweep.arms.names == ("hopskipjump",):
            message = "attacked by its predictions only: the model has neither gradients nor trees that could be used"
            yield Finding("robustness/black-box", Severity.INFO, message, fails=False)
        if attacked.corrupted.refused:
            message = f"accuracy under missing values was not measured: {attacked.corrupted.refused}"
            yield Finding("robustness/no-missing-values", Severity.INFO, message, fails=False)
        if attacked.stopped:
            lost = int((sweep.together[sweep.done] <= at_epsilon).sum())
            message = (
                f"stopped after {int(sweep.done.sum())} of {len(task.rows)} rows: {lost} of them are lost, and even if "
                f"all others stood, {wanted.label} could not be met"
            )
            yield Finding("robustness/stopped-early", Severity.INFO, message, fails=False)
        yield from account.gradients(sweep)
    if edits:
        for decision in edits.declared.decisions[:_TOLD]:
            yield Finding("robustness/column", Severity.INFO, decision, decision.partition(":")[0], fails=False)
        more = len(edits.declared.decisions) - _TOLD
        if more > 0:
            yield Finding("robustness/column", Severity.INFO, f"and {more} more columns", "further", fails=False)


def _check_levels(epsilons: Sequence[float], noise: Sequence[float], missing: Sequence[float]) -> None:
    for name, levels, least in (("--epsilons", epsilons, 1), ("--noise", noise, 0), ("--missing", missing, 0)):
        shown = {f"{level:g}" for level in levels}
        if len(shown) < max(least, len(levels)) or not all(0 < level < float("inf") for level in levels):
            raise UsageError(f"needs {'one or more ' if least else ''}different numbers above 0", where=name)
    if any(share > 1 for share in missing):
        raise UsageError("holds a share above 1", where="--missing")


def _check_numbers(**settings: int) -> None:
    for name, value in settings.items():
        least = 0 if name in ("restarts", "seed") else 1
        if value < least:
            raise UsageError(f"{value} is less than {least}", where=f"--{name.replace('_', '-')}")
    if settings["seed"] >= 2**32:
        raise UsageError(f"{settings['seed']} is not below 2^32", where="--seed")


def _check_thresholds(**thresholds: float) -> None:
    for name, threshold in thresholds.items():
        if not 0 <= threshold <= 1:
            raise UsageError(f"{threshold:g} is not between 0 and 1", where=f"--{name.replace('_', '-')}")


def _check_places(epsilons: Sequence[float], at_epsilon: float, at_edits: int) -> None:
    """Whether what is demanded is demanded of what is measured."""
    if f"{at_epsilon:g}" not in [f"{epsilon:g}" for epsilon in epsilons]:
        raise UsageError(f"{at_epsilon:g} is not among the epsilons", where="--at-epsilon", mend="add it to --epsilons")
    if not 1 <= at_edits <= _MOST_EDITS:
        raise UsageError(f"{at_edits} is not between 1 and {_MOST_EDITS}", where="--at-edits")


def _check_measured(attack: Attack, declared: bool, on_curve: bool, on_edits: bool) -> None:
    """Whether what is demanded is measured at all."""
    if on_curve and attack == "edits":
        raise UsageError("edits alone measure nothing but robust accuracy under edits", where="--attack")
    if on_edits and not (attack == "edits" or (attack == "auto" and declared)):
        mend = "choose --attack edits, or auto with --features"
        raise UsageError("no edits are tried", where="--min-robust-accuracy-edits", mend=mend)


def _too_little(error: Exhausted) -> WardeinError:
    return WardeinError(
        f"{error.spent} before the first rows were attacked",
        where=error.option,
        mend="allow more, or lower --max-rows",
    )
