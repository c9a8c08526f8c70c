# SPDX-License-Identifier: Apache-2.0
"""evaluate_privacy: what a model gives away about the rows that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Criterion, Finding, Metric, Report, Severity, Skipped, conclude
from wardein.statistics import intervals
from wardein.statistics.intervals import TAIL, End
from wardein.statistics.outcomes import slice_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor
    from wardein.privacy.attributes import Inference
    from wardein.privacy.likelihood_ratio import Shadows
    from wardein.privacy.membership import Estimate
    from wardein.privacy.population import Population

# The shares of false alarms at which members are looked for. A share takes as many non-members as make one alarm.
ALARMS = (0.01, 0.001)
# Tables that differ so much would make the difference between them an attack by itself.
MOST_SHIFT = 0.6
# A control that is off by chance: once in a thousand runs.
_CONTROL_TAIL = 0.0005
_EXAMPLES = 10


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
    boosted trees tell them apart by their columns alone, the attack measures the tables. A clear difference (an area
    above 0.6, lower end of the interval) makes the verdict ERROR, a smaller one is a finding.

    Attribute inference asks for a feature of training rows, by boosted trees that know all other features, the true
    label and the model's answer; the advantage is over the same trees without the answer. Model inversion climbs the
    gradients of linear models and networks towards each class, and tells how the outcome correlates with the mean of
    the class's training rows. Training rows that the model's file holds as they are, as that of nearest neighbours or
    of a support vector machine does, fail the check whatever the thresholds.

    Of a regressor, the residual stands for the confidence.

    Args:
        model: The fitted classifier or regressor.
        data: Labelled rows that the model has not seen, as CSV or Parquet: the non-members. They should be drawn like
            the training rows, for example held out of them at random. Rows that are in reference as well are left out.
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
    from wardein.tables import read_table
    from wardein.tools.versions import packages

    _check_settings(max_membership_auc, max_membership_tpr, max_attribute_advantage, shadow_models, max_rows, seed)
    unseen, training = read_table(data), read_table(reference)
    study = _Study(bound)
    with loaded(model) as held:
        predictor = held.model
        _check_sensitive(sensitive, training, label)
        population = draw(predictor, training, unseen, label, max_rows, seed)
        shadows = fit_shadows(predictor, population, shadow_models, seed) if shadow_models else None
        features = list(predictor.features)
        kept = kept_rows(predictor, training[features], unseen[features])
        study.invert(predictor, population)
    study.describe(population, predictor, shadows)
    study.attack(population, shadows, seed)
    study.shift(population, seed)
    for column in dict.fromkeys(sensitive):
        study.infer(population, column, seed, max_attribute_advantage)
    for one in kept:
        message = (
            f"{one.verbatim} of the {one.rows} rows that the model keeps here are training rows, cell by cell: whoever "
            f"has the model has {one.found} of the {one.compared} rows of reference that were compared"
        )
        study.findings.append(Finding("privacy/training-rows-inside", Severity.HIGH, message, one.place))
    study.require("membership_auc", "attack=worst", max_membership_auc)
    study.require("membership_tpr", "attack=worst, fpr=0.01", max_membership_tpr)
    rows = len(population.rows)
    return conclude(
        coverage=Coverage("rows", rows, rows, tuple(study.skipped)),
        tools=packages("scikit-learn"),
        metrics=study.metrics,
        criteria=study.criteria,
        findings=study.findings,
    )


@dataclass
class _Study:
    """What is gathered, one attack after the other."""

    bound: End
    metrics: list[Metric] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def require(self, metric: str, part: str, most: float) -> None:
        """Judge a metric, unless the threshold tolerates anything."""
        if most < 1:
            self.criteria.append(Criterion(metric, "<=", most, intervals.counted(self.bound, "<="), part))

    def note(self, rule: str, severity: Severity, message: str, location: str = "") -> None:
        """Tell something that does not fail the check."""
        self.findings.append(Finding(rule, severity, message, location, fails=False))

    def describe(self, population: Population, predictor: Classifier | Regressor, shadows: Shadows | None) -> None:
        """What was attacked, and with what."""
        for name, count in zip(("members", "non_members"), population.available, strict=True):
            self.metrics.append(Metric(f"{name}_available", count, count, unit="rows"))
        if population.shared:
            message = f"{population.shared} rows of data are also in reference: left out, as nobody knows their side"
            self.note("privacy/shared-rows", Severity.LOW, message, "--data")
        if population.classes and not getattr(predictor, "probabilities", True):
            message = "the model gives no probabilities: attacked by the class that it names, which tells less"
            self.note("privacy/labels-only", Severity.INFO, message, "--model")
        if shadows is not None and shadows.stand_in:
            message = f"boosted trees stand for the model where it had to be fitted anew: {shadows.stand_in}"
            self.note("privacy/stand-in", Severity.LOW, message, "--model")

    def attack(self, population: Population, shadows: Shadows | None, seed: int) -> None:
        """Membership inference, and the same where there is nothing to infer."""
        import numpy as np

        from wardein.privacy.membership import WORST, area, rate_at, worst
        from wardein.privacy.signals import signals

        own = signals(population.answers, population.truth, population.classes)
        member, outside = population.member, np.flatnonzero(~population.member)
        attacks = _attacks(own, population.classes, member, shadows, seed)
        tail = TAIL / len(attacks)
        areas = {name: (area(scores, member), area(scores, member, tail)) for name, scores in attacks.items()}
        rows = len(member)
        for name, estimate in {**{name: one for name, (one, _) in areas.items()}, WORST: worst(areas)}.items():
            self.metrics.append(_metric("membership_auc", estimate, rows, f"attack={name}"))
        for alarms in (share for share in ALARMS if len(outside) * share >= 1):
            rates = {
                name: (rate_at(scores, member, alarms), rate_at(scores, member, alarms, tail))
                for name, scores in attacks.items()
            }
            for name, estimate in {**{name: one for name, (one, _) in rates.items()}, WORST: worst(rates)}.items():
                part = f"attack={name}, fpr={alarms:g}"
                self.metrics.append(_metric("membership_tpr", estimate, int(member.sum()), part))
        supposed = np.random.default_rng([seed, 3]).permutation(len(outside)) % 2 == 0
        halves = None if shadows is None else shadows.of(outside)
        for name, scores in _attacks(own[outside], population.classes, supposed, halves, seed).items():
            control, part = area(scores, supposed), f"attack={name}"
            self.metrics.append(_metric("membership_control_auc", control, len(outside), part))
            wide = area(scores, supposed, _CONTROL_TAIL / len(attacks)).interval
            if not wide.low <= 0.5 <= wide.high:
                reason = f"the control is {control.value:.4g} and not 0.5: it tells apart what is alike"
                self.skipped.append(Skipped(f"attack {name}", reason))
        best = max(areas, key=lambda name: areas[name][1].interval.low)
        if areas[best][1].interval.low > 0.5:
            self.findings += _examples(population, attacks[best], own, shadows)

    def shift(self, population: Population, seed: int) -> None:
        """Whether members and non-members differ without the model."""
        import numpy as np

        from wardein.privacy.learners import cross_fitted, encoded
        from wardein.privacy.membership import area

        rows = np.column_stack([encoded(population.rows), population.truth])
        apart = area(cross_fitted(rows, population.member.astype(int), 2, seed)[:, 1], population.member)
        self.metrics.append(_metric("shift_auc", apart, len(rows), ""))
        told = f"members and non-members are told apart without the model, with an area of {apart.value:.4g}"
        if apart.interval.low > MOST_SHIFT:
            mend = "an attack would measure how the tables differ; hold rows out of the training at random"
            self.skipped.append(Skipped("membership", f"{told}: {mend}"))
        elif apart.interval.low > 0.5:
            message = f"{told}: reference and data are not drawn alike, and part of what the attacks find may be that"
            self.note("privacy/shift", Severity.MEDIUM, message, "shift_auc")

    def infer(self, population: Population, column: str, seed: int, most: float) -> None:
        """Attribute inference of one column, of members and, to compare, of non-members."""
        from wardein.privacy.attributes import infer

        name = f"column={slice_value(column)}"
        self.require("attribute_advantage", name, most)
        if column not in population.rows.columns:
            message = f"the model does not take {column!r}, so that nothing was inferred"
            self.note("privacy/not-a-feature", Severity.INFO, message, column)
            return
        for members, part in ((True, name), (False, f"{name}, rows=unseen")):
            try:
                found: Inference = infer(population, column, members, seed)
            except WardeinError as error:  # too few rows of a value: a threshold on what was not measured is not met
                self.note("privacy/not-inferred", Severity.LOW, error.what, f"{column}, {part.rpartition('=')[2]}")
                continue
            self.metrics.append(_metric("attribute_advantage", found.advantage, found.rows, part))
            for attacker, estimate in (("with the model", found.knowing), ("without", found.guessing)):
                self.metrics.append(_metric("attribute_accuracy", estimate, found.rows, f"{part}, attacker={attacker}"))

    def invert(self, predictor: Classifier | Regressor, population: Population) -> None:
        """Model inversion, where there are gradients."""
        from wardein.privacy.inversion import invert

        for found in invert(predictor, population):
            part = f"class={slice_value(_class_name(predictor, found.place))}"
            self.metrics += [
                Metric("inversion_correlation", found.own, found.columns, direction="lower", slice=part),
                Metric("inversion_baseline", found.other, found.columns, slice=part),
            ]


def _attacks(
    own: np.ndarray, classes: int, member: np.ndarray, shadows: Shadows | None, seed: int
) -> Mapping[str, np.ndarray]:
    from wardein.privacy.likelihood_ratio import likelihood_ratios, shadow_attack
    from wardein.privacy.membership import threshold_attacks

    attacks = threshold_attacks(own, classes, member, seed)
    if shadows is not None:
        attacks |= {"shadow": shadow_attack(shadows, own, seed), **likelihood_ratios(shadows, own)}
    return attacks


def _examples(
    population: Population, scores: np.ndarray, own: np.ndarray, shadows: Shadows | None
) -> Iterator[Finding]:
    """The training rows that stand out most, above every row that the model has not seen."""
    import numpy as np

    from wardein.privacy.signals import CONFIDENCE, probability

    above = np.flatnonzero(population.member & (scores > scores[~population.member].max()))
    said = own[:, CONFIDENCE]
    expected = None if shadows is None else shadows.without()
    for i in above[np.argsort(-scores[above], kind="stable")][:_EXAMPLES].tolist():
        if not population.classes:
            message = "recognised as a training row: the model's answer is nearer to its label than to those of others"
        else:
            message = "recognised as a training row: the model gives its label a probability of "
            message += f"{probability(float(said[i])):.2f}"
            if expected is not None:
                message += f", models that were fitted without it {probability(float(expected[i])):.2f}"
        yield Finding("privacy/exposed-row", Severity.INFO, message, f"row {population.numbers[i]}", fails=False)


def _class_name(predictor: Classifier | Regressor, place: int) -> str:
    from wardein.statistics.outcomes import text_of

    return text_of(predictor.classes[place]) if hasattr(predictor, "classes") else ""


def _metric(name: str, estimate: Estimate, n: int, part: str) -> Metric:
    return Metric(name, estimate.value, n, direction="lower", ci=estimate.interval, slice=part)


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
