# SPDX-License-Identifier: Apache-2.0
"""evaluate_robustness: how much of a classifier's accuracy is left under small, deliberate changes of its inputs."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from wardein.artifacts import Dataset, Features, Judged, Model, Threshold
from wardein.errors import WardeinError
from wardein.report import Criterion, Report, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import End

if TYPE_CHECKING:
    from wardein.attacks.budget import Exhausted
    from wardein.attacks.sweep import Sweep

Attack = Literal["auto", "fgsm", "pgd", "apgd", "hopskipjump", "square", "trees", "edits"]


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

    Rows with missing numbers, where the model takes them, are left out and counted. A model that answers differently
    when asked again, or when a row is asked alone, is refused. But all of this is learned from the model's answers: one
    that is made to tell an attacked row from a real one, and answers accordingly, looks robust to every attack. Who
    made the model has to be trusted for that, or its code read.

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
            run out are not examined, and the verdict is ERROR. HopSkipJump takes about 1,700 a row.
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
    from wardein.attacks import account, settings, summary
    from wardein.attacks.arms import arms_of
    from wardein.attacks.budget import Budget, Exhausted
    from wardein.attacks.campaign import Attacked, corrupted, edited
    from wardein.attacks.sweep import Sweep
    from wardein.attacks.task import task_of
    from wardein.models.confinement import Limits
    from wardein.models.load import load
    from wardein.tables import read_table
    from wardein.tools.versions import packages

    settings.check_levels(epsilons, noise, missing)
    settings.check_numbers(
        max_rows=max_rows, restarts=restarts, max_queries=max_queries, max_seconds=max_seconds, seed=seed
    )
    settings.check_thresholds(
        min_robust_accuracy=min_robust_accuracy,
        min_robust_accuracy_edits=min_robust_accuracy_edits,
        min_corrupted_accuracy=min_corrupted_accuracy,
    )
    settings.check_places(epsilons, at_epsilon if min_robust_accuracy > 0 else epsilons[0], at_edits)
    settings.check_measured(
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
            attacked = edits = None
            if attack != "edits":
                space = task.space(task.columns(immutable, mutable), norm, budget)
                spoilt = corrupted(task, space, noise, missing)
                sweep = Sweep(
                    space, task.truth, task.right, sorted(epsilons), arms_of(task, space, attack, restarts), seed
                )
                sweep.run(task.order(), settled)
                if sweep.exhausted and not sweep.done.any():
                    raise sweep.exhausted
                attacked = Attacked(space, sweep, spoilt)
            if attack == "edits" or (attack == "auto" and features):
                edits = edited(task, attacked, immutable, budget)
            examples = summary.examples(task, attacked, edits)
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
        coverage=summary.coverage(task, attacked, edits),
        tools=packages(*(["adversarial-robustness-toolbox"] if toolbox else []), "scikit-learn"),
        metrics=[*summary.metrics(task, attacked, edits), *account.budgeted(budget, len(task.rows))],
        criteria=criteria,
        findings=[*examples, *summary.findings(task, attacked, edits, wanted, at_epsilon)],
        measures=True,
    )


def _too_little(error: Exhausted) -> WardeinError:
    return WardeinError(
        f"{error.spent} before the first rows were attacked",
        where=error.option,
        mend="allow more, or lower --max-rows",
    )
