# SPDX-License-Identifier: Apache-2.0
"""evaluate_privacy: what a model gives away about the rows that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError
from wardein.report import Coverage, Report, conclude
from wardein.statistics.intervals import End

if TYPE_CHECKING:
    import pandas as pd


def evaluate_privacy(
    model: Model,
    data: Dataset,
    label: str,
    reference: Dataset,
    sensitive: list[str] = [],  # noqa: B006 - read, never changed
    max_membership_auc: Threshold = 1.0,
    max_membership_tpr: Threshold = 1.0,
    max_attribute_advantage: Threshold = 1.0,
    bound: Annotated[End, Judged()] = "worst",
    shadow_models: int = 16,
    max_rows: int = 2000,
    seed: int = 0,
) -> Report:
    """Attack what a model gives away about its training rows, and fail if it is too much.

    Membership inference asks of a row whether the model was trained on it. Each attack gives every row a score:
    the model's confidence in the true label, the same against a threshold for each class, the modified entropy, a
    shadow-model attack, and the likelihood-ratio attack LiRA, offline and online. The last three fit the model anew
    on random halves of the attacked rows and up to 4000 other training rows: scikit-learn models with their own
    parameters, models of other formats by boosted trees in their place, which a finding tells. How well a score tells
    members from non-members is reported as the area under the ROC curve, where 0.5 is guessing, and as the share of
    members found at 1 % and 0.1 % of false alarms; the latter takes at least 1000 non-members. Of the attacks together
    (attack=worst) the best counts, with an interval that takes the choice into account.

    Two controls tell whether that can be believed. The same attacks have to fail where non-members alone are divided
    at random into supposed members and others; and members and non-members must not differ without the model: where
    boosted trees tell them apart by their columns alone, the attack measures the tables, as with rows of different
    times. A clear difference (an area above 0.6, lower end of the interval) makes the verdict ERROR, a smaller one is a
    finding. An area below 0.4 (upper end) is an ERROR as well: then rows of data are those of reference, changed a
    little, which any model takes for members. Rows of data that are nearly in reference are left out.

    What no check can find out is whether reference is what the model was trained on: who gives other rows is told that
    nothing leaks, so the gate has to be shown the reference as well. Models are fitted anew by the confined process
    that holds them; one that broke out of its format and lied there could weaken the last three attacks, and not the
    first ones, which need nothing but its answers.

    Attribute inference asks for a feature of training rows, by boosted trees that know all other features, the true
    label and the model's answer; the advantage is over the same trees without the answer. Model inversion climbs the
    gradients of linear models and networks towards each class, and tells how the outcome correlates with the mean of
    the class's training rows. Training rows that the model's file holds as they are, or but for a hundredth of a
    standard deviation, as that of nearest neighbours or of a support vector machine does, fail the check whatever the
    thresholds. Rows that it holds in any other form, for example encrypted, are not found.

    Of a regressor, the residual stands for the confidence.

    Args:
        model: The fitted classifier or regressor.
        data: Labelled rows that the model has not seen, as CSV or Parquet: the non-members. They should be drawn like
            the training rows, for example held out of them at random. Rows that reference has as well, or nearly, are
            left out.
        label: The column with the true class or number.
        reference: The labelled rows that the model was trained on: the members.
        sensitive: Columns that an attacker would like to infer. Of one that the model does not take, nothing is
            inferred. Repeat the option for more than one.
        max_membership_auc: The largest tolerated area under the ROC curve of the best membership attack, 0.5 to 1; 1
            tolerates any.
        max_membership_tpr: The largest tolerated share of members found at 1 % of false alarms, 0 to 1; 1 tolerates
            any, and guessing finds 0.01.
        max_attribute_advantage: The largest tolerated advantage of attribute inference over guessing without the model,
            as a difference of balanced accuracies, 0 to 1; 1 tolerates any.
        bound: Which number must meet a threshold. "worst" is the upper end of the 95 % interval: a PASS means that
            the data show it, and too few rows fail as inconclusive. "point" is the estimate, "best" the lower end.
        shadow_models: How many models are fitted anew, 4 to 256; 0 leaves out the attacks that need them.
        max_rows: How many members and how many non-members to attack at most. More are sampled down, in proportion to
            the classes. 2000 give intervals of about ±0.018 around an area of 0.5.
        seed: Seeds the samples and the shadow models; the same seed gives the same report.

    Returns:
        A report with areas and shares for each attack and for the worst, the controls, and what was inferred.

    Raises:
        WardeinError: If the model or a table cannot be read, too few distinct rows are left on a side, a sensitive
            column is no feature, or the model answers differently each time.

    References:
        Shokri et al. (2017), Membership inference attacks against machine learning models. Yeom et al. (2018), Privacy
        risk in machine learning. Song and Mittal (2021), Systematic evaluation of privacy risks of machine learning
        models. Carlini et al. (2022), Membership inference attacks from first principles. Fredrikson, Jha and
        Ristenpart (2015), Model inversion attacks that exploit confidence information. Newcombe (2006), Confidence
        intervals for an effect size measure based on the Mann-Whitney statistic, Statistics in Medicine 25. Agresti and
        Min (2005), Simple improved confidence intervals for comparing matched proportions, Statistics in Medicine 24.
    """
    from wardein.models.load import loaded
    from wardein.privacy.likelihood_ratio import fit_shadows
    from wardein.privacy.population import draw
    from wardein.privacy.stored import kept_rows
    from wardein.privacy.study import Study
    from wardein.tables import read_table
    from wardein.tools.versions import packages

    _check_settings(max_membership_auc, max_membership_tpr, max_attribute_advantage, shadow_models, max_rows, seed)
    unseen, training = read_table(data), read_table(reference)
    study = Study(bound)
    with loaded(model) as held:
        predictor = held.model
        _check_sensitive(sensitive, training, label)
        population = draw(predictor, training, unseen, label, max_rows, seed)
        shadows = fit_shadows(predictor, population, shadow_models, seed) if shadow_models else None
        features = list(predictor.features)
        kept, left_out = kept_rows(predictor, training[features], unseen[features])
        study.invert(predictor, population)
    study.describe(population, predictor, shadows)
    study.attack(population, shadows, seed)
    study.shift(population, seed)
    for column in dict.fromkeys(sensitive):
        study.infer(population, column, seed, max_attribute_advantage)
    study.inside(kept, left_out)
    study.require("membership_auc", "attack=worst", max_membership_auc)
    study.require("membership_tpr", "attack=worst, fpr=0.01", max_membership_tpr)
    rows = len(population.rows)
    return conclude(
        coverage=Coverage("rows", rows, rows, tuple(study.skipped)),
        tools=packages("scikit-learn"),
        metrics=study.metrics,
        criteria=study.criteria,
        findings=study.findings,
        measures=True,
    )


def _check_sensitive(sensitive: Sequence[str], training: pd.DataFrame, label: str) -> None:
    from wardein.tables import require_columns

    require_columns(training, list(sensitive), "--sensitive")
    if label in sensitive:
        raise UsageError(f"{label!r} is the label", where="--sensitive", mend="name what an attacker would infer")


def _check_settings(auc: float, tpr: float, advantage: float, shadows: int, rows: int, seed: int) -> None:
    from wardein.privacy.likelihood_ratio import LEAST_SHADOWS, MOST_SHADOWS
    from wardein.privacy.population import LEAST_ROWS

    thresholds = {"--max-membership-auc": auc, "--max-membership-tpr": tpr, "--max-attribute-advantage": advantage}
    for flag, value in thresholds.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{value:g} is not between 0 and 1", where=flag)
    if shadows and not LEAST_SHADOWS <= shadows <= MOST_SHADOWS:
        raise UsageError(f"{shadows} is neither 0 nor {LEAST_SHADOWS} to {MOST_SHADOWS}", where="--shadow-models")
    if rows < LEAST_ROWS:
        raise UsageError(f"{rows} is less than {LEAST_ROWS}", where="--max-rows")
    if not 0 <= seed < 2**31:
        raise UsageError(f"{seed} is not between 0 and 2^31", where="--seed")
