# SPDX-License-Identifier: Apache-2.0
"""What attacks on a model's training rows found, in metrics and findings, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wardein.errors import WardeinError
from wardein.privacy.attributes import infer
from wardein.privacy.inversion import invert
from wardein.privacy.learners import cross_fitted, encoded
from wardein.privacy.likelihood_ratio import likelihood_ratios, shadow_attack
from wardein.privacy.membership import WORST, area, rate_at, threshold_attacks, worst
from wardein.privacy.signals import CONFIDENCE, probability, signals
from wardein.report import Criterion, Finding, Metric, Severity, Skipped
from wardein.statistics import intervals
from wardein.statistics.intervals import TAIL, End
from wardein.statistics.outcomes import slice_value, text_of

if TYPE_CHECKING:
    import numpy as np

    from wardein.models.predictors import Classifier, Regressor
    from wardein.privacy.likelihood_ratio import Shadows
    from wardein.privacy.membership import Estimate
    from wardein.privacy.population import Population
    from wardein.privacy.stored import Kept

# The shares of false alarms at which members are looked for. A share takes as many non-members as make one alarm.
ALARMS = (0.01, 0.001)
# Tables that differ so much would make the difference between them an attack by itself.
MOST_SHIFT = 0.6
# A control is off by chance once in a hundred thousand runs; of an attack that sees who is a member, by far more.
_CONTROL_TAIL = 5e-6
_EXAMPLES = 10


@dataclass
class Study:
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
        if population.near:
            message = f"{population.near} rows of data are nearly in reference: left out, as it may be them, changed"
            self.note("privacy/near-rows", Severity.LOW, message, "--data")
        if population.classes and not getattr(predictor, "probabilities", True):
            message = "the model gives no probabilities: attacked by the class that it names, which tells less"
            self.note("privacy/labels-only", Severity.INFO, message, "--model")
        if shadows is not None and shadows.stand_in:
            message = f"boosted trees stand for the model where it had to be fitted anew: {shadows.stand_in}"
            self.note("privacy/stand-in", Severity.LOW, message, "--model")

    def attack(self, population: Population, shadows: Shadows | None, seed: int) -> None:
        """Membership inference, and the same where there is nothing to infer."""
        import numpy as np

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

        rows = np.column_stack([encoded(population.rows), population.truth])
        apart = area(cross_fitted(rows, population.member.astype(int), 2, seed)[:, 1], population.member)
        self.metrics.append(_metric("shift_auc", apart, len(rows), ""))
        told = f"members and non-members are told apart without the model, with an area of {apart.value:.4g}"
        if apart.interval.high < 1 - MOST_SHIFT:
            mend = "rows of data are those of reference, changed a little; hold rows out of the training at random"
            told = (
                f"what tells members from non-members in some rows is the reverse of it in others ({apart.value:.4g})"
            )
            self.skipped.append(Skipped("membership", f"{told}: {mend}"))
        elif apart.interval.low > MOST_SHIFT:
            mend = "an attack would measure how the tables differ; hold rows out of the training at random"
            self.skipped.append(Skipped("membership", f"{told}: {mend}"))
        elif apart.interval.low > 0.5:
            message = f"{told}: reference and data are not drawn alike, and part of what the attacks find may be that"
            self.note("privacy/shift", Severity.MEDIUM, message, "shift_auc")

    def inside(self, kept: Sequence[Kept], left_out: int) -> None:
        """Training rows in the model's file."""
        for one in kept[:_EXAMPLES]:
            how = "cell by cell" if one.exact else "but for a hundredth of a standard deviation"
            message = (
                f"{one.alike} of the {one.rows} rows that the model keeps here are training rows, {how}: whoever "
                f"has the model has {one.found} of the {one.compared} rows of reference that were compared"
            )
            self.findings.append(Finding("privacy/training-rows-inside", Severity.HIGH, message, one.place))
        if left_out and not kept:
            self.skipped.append(Skipped("training rows inside", f"{left_out} arrays of the model were not looked at"))

    def infer(self, population: Population, column: str, seed: int, most: float) -> None:
        """Attribute inference of one column, of members and, to compare, of non-members."""
        name = f"column={slice_value(column)}"
        self.require("attribute_advantage", name, most)
        if column not in population.rows.columns:
            message = f"the model does not take {column!r}, so that nothing was inferred"
            self.note("privacy/not-a-feature", Severity.INFO, message, column)
            return
        for members, part in ((True, name), (False, f"{name}, rows=unseen")):
            try:
                found = infer(population, column, members, seed)
            except WardeinError as error:  # too few rows of a value: a threshold on what was not measured is not met
                self.note("privacy/not-inferred", Severity.LOW, error.what, f"{column}, {part.rpartition('=')[2]}")
                continue
            self.metrics.append(_metric("attribute_advantage", found.advantage, found.rows, part))
            for attacker, estimate in (("with the model", found.knowing), ("without", found.guessing)):
                self.metrics.append(_metric("attribute_accuracy", estimate, found.rows, f"{part}, attacker={attacker}"))

    def invert(self, predictor: Classifier | Regressor, population: Population) -> None:
        """Model inversion, where there are gradients."""
        for found in invert(predictor, population):
            part = f"class={slice_value(_class_name(predictor, found.place))}"
            self.metrics += [
                Metric("inversion_correlation", found.own, found.columns, direction="lower", slice=part),
                Metric("inversion_baseline", found.other, found.columns, slice=part),
            ]


def _attacks(
    own: np.ndarray, classes: int, member: np.ndarray, shadows: Shadows | None, seed: int
) -> Mapping[str, np.ndarray]:

    attacks = threshold_attacks(own, classes, member, seed)
    if shadows is not None:
        attacks |= {"shadow": shadow_attack(shadows, own, seed), **likelihood_ratios(shadows, own)}
    return attacks


def _examples(
    population: Population, scores: np.ndarray, own: np.ndarray, shadows: Shadows | None
) -> Iterator[Finding]:
    """The training rows that stand out most, above every row that the model has not seen."""
    import numpy as np

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

    return text_of(predictor.classes[place]) if hasattr(predictor, "classes") else ""


def _metric(name: str, estimate: Estimate, n: int, part: str) -> Metric:
    return Metric(name, estimate.value, n, direction="lower", ci=estimate.interval, slice=part)
