# SPDX-License-Identifier: Apache-2.0
"""evaluate_robustness: how much of a classifier's accuracy is left under small, deliberate changes of its inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Criterion, Finding, Metric, Report, Severity, Skipped, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import End

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.attacks.decision import Pool
    from wardein.attacks.space import Columns, Space
    from wardein.attacks.sweep import Sweep
    from wardein.models.predictors import Classifier
    from wardein.statistics.outcomes import Outcomes

Attack = Literal["auto", "fgsm", "pgd", "hopskipjump"]
# The name under which the attacks are counted together: a row stands only if it stands against all of them.
WORST = "worst"
_POOL = 2000


def evaluate_robustness(
    model: Model,
    data: Dataset,
    label: str,
    attack: Attack = "auto",
    epsilons: list[float] = [0.05, 0.1, 0.2, 0.4],  # noqa: B006 - read, never changed
    at_epsilon: Threshold = 0.1,
    min_robust_accuracy: Threshold = 0.0,
    bound: Annotated[End, Judged()] = "worst",
    reference: Dataset | None = None,
    immutable: list[str] = [],  # noqa: B006 - read, never changed
    mutable: list[str] = [],  # noqa: B006 - read, never changed
    max_rows: int = 200,
    restarts: int = 2,
    seed: int = 0,
) -> Report:
    """Attack a classifier's inputs, and fail if too little of its accuracy is left.

    Every numeric feature may change by at most epsilon times its standard deviation, all of them at once (the
    largest-change norm). Robust accuracy is the share of all attacked rows that the model gets right and still
    gets right whatever an attack tried within epsilon; a row that it gets wrong to begin with counts as lost, and
    epsilon=0 is its plain accuracy on these rows. Robustness is the same share among the rows it gets right. Both
    never rise with epsilon, as what fell within a small change falls within a larger one. They are upper bounds: a
    stronger attack can only lower them.

    Changes stay within the range seen of each column, and columns of whole numbers move in whole steps. Held fixed
    are columns that are not numeric, columns with two values or at most ten different whole ones (categories,
    one-hot columns), constant ones and those declared immutable; the report lists them. An adversarial example
    counts only if the model itself gets the finished table row wrong.

    Models with gradients are attacked with FGSM and PGD of the Adversarial Robustness Toolbox, with the true labels:
    linear classifiers and multi-layer perceptrons, also at the end of a Pipeline whose other steps are affine in the
    columns that may move, such as scalers. That this view of the model is the model is checked on the data. On
    linear models of up to ten classes PGD finds the exact worst case. All other models are attacked with
    HopSkipJump, which needs predictions only; a row that it cannot start on is not examined, and makes the verdict
    ERROR.

    Args:
        model: The fitted classifier: skops, or a pickle or joblib file of a scikit-learn model or Pipeline.
        data: Labelled rows that the model has not seen, as CSV or Parquet, with the model's features and the label.
        label: The column with the true class.
        attack: "auto" runs FGSM and PGD where the model has gradients, else HopSkipJump. A named attack runs alone;
            "fgsm" and "pgd" end in ERROR where there are no gradients.
        epsilons: The largest changes to try, in standard deviations of each feature. Repeat the option for each.
        at_epsilon: The epsilon, one of epsilons, at which min_robust_accuracy is demanded.
        min_robust_accuracy: The smallest tolerated robust accuracy against all attacks that ran together, 0 to 1; 0
            measures without judging.
        bound: Which number must meet the threshold. "worst" is the lower end of the 95 % interval: a PASS means that
            the data show it, and too few rows fail as inconclusive. "point" is the estimate, "best" the upper end.
        reference: Rows that give the standard deviations instead of data, for example the training set, with the
            model's features; they widen the ranges seen as well.
        immutable: Columns that an attacker cannot change. Repeat the option for more than one.
        mutable: If given, exactly the columns that an attacker can change; few-valued ones may be among them.
        max_rows: How many rows to attack at most. More are sampled down, in proportion to the classes. 200 rows give
            an interval of about ±0.07.
        restarts: How many random starts PGD adds to the one at the row itself.
        seed: Seeds the sample and the attacks; the same seed gives the same report.

    Returns:
        A report with robust accuracy and robustness over epsilon for each attack and for all together (attack=worst),
        and what the attacks cost.

    Raises:
        WardeinError: If the model or data cannot be read, no feature can be changed, the model predicts a single class
            or gets every row wrong, or the named attack needs gradients that the model has not.

    References:
        Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples. Madry et al. (2018),
        Towards deep learning models resistant to adversarial attacks. Gowal et al. (2019), An alternative surrogate
        loss for PGD-based adversarial testing. Chen, Jordan and Wainwright (2020), HopSkipJumpAttack. Carlini et al.
        (2019), On evaluating adversarial robustness.
    """
    import numpy as np

    from wardein.attacks.network import unwrap
    from wardein.attacks.space import Space
    from wardein.attacks.sweep import by_decisions, with_gradients
    from wardein.models.load import load
    from wardein.statistics.outcomes import observe
    from wardein.tables import read_table
    from wardein.tools.versions import packages

    ascending = _checked(epsilons, at_epsilon, min_robust_accuracy, max_rows, restarts, seed)
    with load(model) as classifier:
        table = read_table(data)
        features = classifier.rows(table)  # an attack cannot start from a number that is missing
        outcomes = observe(classifier, table, label)
        columns = _columns(classifier, features, reference, immutable, mutable)
        rows = _sample(outcomes.truth, max_rows, seed)
        labels, right = outcomes.truth[rows], np.flatnonzero((outcomes.predicted == outcomes.truth)[rows])
        _require_attackable(outcomes, right)
        space = Space(classifier, features.iloc[rows], columns)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ART warns at every call
            network = None if attack == "hopskipjump" else unwrap(classifier, space, seed)
            if network is not None:
                names = ("fgsm", "pgd") if attack == "auto" else (attack,)
                sweep = with_gradients(space, network, labels, right, names, ascending, restarts, seed)
            elif attack in ("auto", "hopskipjump"):
                sweep = by_decisions(space, labels, right, _pool(space, features, outcomes, seed), seed)
            else:
                raise WardeinError(
                    f"{attack} needs gradients, and this {classifier.type} has none on the columns that may move",
                    where="--attack",
                    mend="choose auto or hopskipjump",
                )
    wanted = Criterion(
        "robust_accuracy",
        ">=",
        min_robust_accuracy,
        intervals.counted(bound, ">="),
        slice=f"attack={WORST}, epsilon={at_epsilon:g}",
    )
    return conclude(
        coverage=_coverage(len(rows), len(sweep.unattacked)),
        tools=packages(*(["adversarial-robustness-toolbox"] if network else []), "scikit-learn"),
        metrics=[*_curves(sweep, ascending), *_costs(sweep, columns, len(table), len(right))],
        criteria=[wanted] if min_robust_accuracy > 0 else [],
        findings=list(_findings(columns, sweep, network is None and attack == "auto")),
    )


def _checked(
    epsilons: Sequence[float], at_epsilon: float, threshold: float, max_rows: int, restarts: int, seed: int
) -> list[float]:
    """The epsilons in ascending order, once all settings make sense."""
    shown = [f"{epsilon:g}" for epsilon in epsilons]
    if not shown or min(epsilons) <= 0 or len(set(shown)) < len(shown):
        raise UsageError("needs one or more different numbers above 0", where="--epsilons")
    if threshold > 0 and f"{at_epsilon:g}" not in shown:
        raise UsageError(f"{at_epsilon:g} is not among the epsilons", where="--at-epsilon", mend="add it to --epsilons")
    if not 0 <= threshold <= 1:
        raise UsageError(f"{threshold:g} is not between 0 and 1", where="--min-robust-accuracy")
    for name, value, least in (("--max-rows", max_rows, 1), ("--restarts", restarts, 0), ("--seed", seed, 0)):
        if value < least:
            raise UsageError(f"{value} is less than {least}", where=name)
    if seed >= 2**32:
        raise UsageError(f"{seed} is not below 2^32", where="--seed")
    return sorted(epsilons)


def _require_attackable(outcomes: Outcomes, right: np.ndarray) -> None:
    """A model that decides nothing, or nothing right, cannot be shown to be robust."""
    first = int(outcomes.predicted[0])
    if (outcomes.predicted == first).all():
        raise WardeinError(
            f"the model predicts the single class {outcomes.classes[first]!r} for all {len(outcomes.predicted)} rows, "
            "so that there is no decision to attack",
            where="--data",
            mend="give rows of every class, or a model that tells them apart",
        )
    if not len(right):
        raise WardeinError(
            "the model is wrong on every sampled row, so that there is nothing to attack",
            where="--data",
            mend="check that --label names the column that the model predicts",
        )


def _columns(
    classifier: Classifier,
    features: pd.DataFrame,
    reference: Path | None,
    immutable: list[str],
    mutable: list[str],
) -> Columns:
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    from wardein.attacks.space import columns_of
    from wardein.tables import read_table

    if reference is None:
        return columns_of(features, features, immutable, mutable)
    others = classifier.rows(read_table(reference), "--reference")
    for name in features:
        if is_numeric_dtype(features[name]) != is_numeric_dtype(others[name]):
            raise WardeinError(
                f"the feature {name!r} is numeric in only one of data and reference",
                where="--reference",
                mend="give rows of the same kind as data",
            )
    return columns_of(pd.concat([features, others], ignore_index=True), others, immutable, mutable)


def _sample(truth: np.ndarray, most: int, seed: int) -> np.ndarray:
    """The positions of at most so many rows, ascending: every class in proportion, drawn at random within it."""
    import numpy as np

    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    size = min(most, len(truth))
    return np.sort(by_class[np.arange(size) * len(truth) // size])


def _pool(space: Space, features: pd.DataFrame, outcomes: Outcomes, seed: int) -> Pool:
    from wardein.attacks.decision import Pool

    rows = _sample(outcomes.predicted, _POOL, seed)
    values = features.iloc[rows][list(space.columns.moved)].to_numpy(dtype=float)
    return Pool(space.coordinates(values), outcomes.predicted[rows])


def _coverage(rows: int, unattacked: int) -> Coverage:
    reason = "HopSkipJump found no start: no change of the columns that may move made the model wrong; let more move"
    skipped = (Skipped(f"{unattacked} rows", f"{reason} (--mutable)"),) if unattacked else ()
    return Coverage("rows", rows, rows - unattacked, skipped)


def _curves(sweep: Sweep, epsilons: Sequence[float]) -> Iterator[Metric]:
    """Robust accuracy and robustness over epsilon, for every attack and for all together."""
    import numpy as np

    together = np.min(list(sweep.fell_at.values()), axis=0)
    for name, fell_at in {**sweep.fell_at, WORST: together}.items():
        right = int((fell_at > 0).sum())
        for epsilon in (0.0, *epsilons):
            stand = int((fell_at > epsilon).sum())
            where = f"attack={name}, epsilon={epsilon:g}"
            for metric, n in (("robust_accuracy", len(fell_at)), ("robustness", right)):
                yield Metric(metric, stand / n, n, direction="higher", ci=intervals.wilson(stand, n), slice=where)


def _costs(sweep: Sweep, columns: Columns, available: int, right: int) -> Iterator[Metric]:
    """What was attacked and how hard: without it a robust accuracy says little."""
    import numpy as np

    rows = len(next(iter(sweep.fell_at.values())))
    yield Metric("rows_available", available, available, unit="rows")
    yield Metric("columns_moved", len(columns.moved), rows, unit="columns")
    for (name, what), count in sweep.asked.items():
        yield Metric(f"{what}_per_row", count / right, right, unit=what, slice=f"attack={name}")
    found = sweep.fell_at.get("hopskipjump", np.empty(0))
    found = found[np.isfinite(found) & (found > 0)]
    if len(found):
        middle = float(np.median(found))
        yield Metric("median_distance", middle, len(found), "sd", "higher", slice="attack=hopskipjump")


def _findings(columns: Columns, sweep: Sweep, black_box: bool) -> Iterator[Finding]:
    for reason, names in columns.held.items():
        shown = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
        message = f"held fixed, {reason}: {shown} ({len(names)} columns)"
        yield Finding("robustness/held-fixed", Severity.INFO, message, reason, fails=False)
    if black_box:
        message = "the model has no gradients on the columns that may move: attacked by its predictions only"
        yield Finding("robustness/black-box", Severity.INFO, message, fails=False)
    if sweep.unmoved:
        message = (
            f"{sweep.unmoved} rows stand even where PGD may move every column over its whole range: either the columns "
            "held fixed decide them, or gradients mislead; compare with --attack hopskipjump"
        )
        yield Finding("robustness/gradients-mislead", Severity.LOW, message, fails=False)
