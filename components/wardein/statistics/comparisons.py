# SPDX-License-Identifier: Apache-2.0
"""What a report says of groups: their numbers, the disparities between them, and which group stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wardein.report import Criterion, Finding, Interval, Metric, Severity, Skipped
from wardein.statistics import intervals
from wardein.statistics.disparities import Disparity, Rate, Rates, Standout, disparity, standouts
from wardein.statistics.groups import Division
from wardein.statistics.intervals import End
from wardein.statistics.outcomes import slice_value
from wardein.statistics.proxies import Proxy

if TYPE_CHECKING:
    from wardein.statistics.quantities import Quantity

MOST_NAMED = 10
# A group that is so far from all others is named whatever a run tolerates: a policy may forbid such findings.
NOTABLE = 0.10
MOST_FEATURES = 20
# From which area under the ROC curve on a feature tells of an attribute, tells it well, or is it under another name.
TELLING, TELLING_WELL, SAME = 0.6, 0.75, 0.95


@dataclass
class Comparisons:
    """What is gathered about groups, one division after the other.

    Attributes:
        bound: Which number must meet a threshold.
        largest: The largest tolerated value of metrics, by name; 1 judges nothing.
        smallest: The smallest tolerated value of metrics, by name; 0 judges nothing.
        always: The metrics that are judged even at 1.
    """

    bound: End
    largest: Mapping[str, float]
    smallest: Mapping[str, float] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    metrics: list[Metric] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)

    def note(self, rule: str, severity: Severity, message: str, where: str) -> None:
        """Say what a reader has to know, and what does not fail."""
        self.findings.append(Finding(f"fairness/{rule}", severity, message, where, fails=False))

    def rates(self, division: Division, measured: Rates) -> bool:
        """List every group's rates, and compare the groups; False if they cannot be compared."""
        size, *outcomes = classical = [measured.selection, measured.true_positive, measured.false_positive]
        for rate in [*classical, measured.precision]:
            self._list(division, rate)
        for i, group in enumerate(division.groups):
            few = [size] if not size.compared[i] else [rate for rate in outcomes if not rate.compared[i]]
            for rate in few:
                self._leave_out(group, i, rate, whole=rate is size)
            if not few:
                self.compared.add(group)
        for rate in classical:
            if not self._comparable(division, rate):
                return False
        self._judge(division, "demographic_parity", disparity([size]))
        self._judge(division, "equalized_odds", disparity(outcomes))
        self._judge(division, "equal_opportunity", disparity([measured.true_positive]))
        self._precision(division, measured.precision)
        self._name_standouts(division, measured)
        return True

    def top(self, division: Division, rate: Rate, share: float) -> None:
        """List and compare how much of each group is among the first of a ranking.

        Args:
            division: The groups.
            rate: The share of each group's rows that is among the first.
            share: That of all rows.
        """
        self._list(division, rate)
        for metric in [m for m in self.metrics if m.name == rate.name and m.slice in division.groups]:
            ci = metric.ci and Interval(
                metric.ci.low / share, metric.ci.high / share, metric.ci.level, metric.ci.method
            )
            self.metrics.append(Metric("top_representation", metric.value / share, metric.n, ci=ci, slice=metric.slice))
        self._judge(division, "top_selection", disparity([rate]))

    def quantity(self, division: Division, found: Quantity, difference: str, unit: str, scale: float) -> bool:
        """List a number of every group, and compare the groups; False if fewer than two can be compared.

        Args:
            division: The groups.
            found: The number.
            difference: What the largest difference is called.
            unit: The number's unit.
            scale: What a difference is divided by; its unit is then the standard deviation of the label.
        """
        for i, group in enumerate(division.groups):
            if found.n[i]:
                self.metrics.append(
                    Metric(found.name, float(found.values[i]), int(found.n[i]), unit, ci=found.ends[i], slice=group)
                )
        if found.compared.sum() < 2:
            return False
        ends = found.difference_interval
        ci = Interval(ends.low / scale, ends.high / scale, ends.level, ends.method)
        n, part = int(found.n[found.compared].sum()), f"attribute={division.attribute}"
        own = "1" if unit == "1" else "sd"
        self.metrics.append(Metric(difference, found.difference / scale, n, own, "lower", ci, part))
        self._demand_most(difference, part)
        return True

    def proxies(self, attribute: str, found: Sequence[Proxy]) -> None:
        """Say which features tell an attribute."""
        if not found:
            return
        together, *alone = found
        part = f"attribute={attribute}"
        self.metrics.append(Metric("joint_proxy_auc", together.auc, together.n, "1", ci=together.interval, slice=part))
        if together.interval.low >= TELLING and len(alone) > 1:
            severity = Severity.LOW if together.interval.low >= TELLING_WELL else Severity.INFO
            text = f"the model's features together tell {together.group} from all others: {_area(together)}"
            self.note("proxy", severity, text, attribute)
        names: set[str] = set()
        for number, proxy in enumerate(alone[:MOST_FEATURES], 1):
            name = slice_value(proxy.feature)
            name = name if name not in names else f"{name[:32]} ({number})"
            names.add(name)
            self.metrics.append(
                Metric("proxy_auc", proxy.auc, proxy.n, "1", ci=proxy.interval, slice=f"{part}, feature={name}")
            )
            if proxy.interval.low >= TELLING and number <= MOST_NAMED:
                low = proxy.interval.low
                severity = Severity.MEDIUM if low >= SAME else Severity.LOW if low >= TELLING_WELL else Severity.INFO
                is_it = f"is {attribute} under another name" if low >= SAME else f"tells of {attribute}"
                text = f"the feature {name!r} {is_it}: it tells {proxy.group} from all others, {_area(proxy)}"
                self.note("proxy", severity, text, f"{attribute}: {name}")

    def sizes(self, division: Division, needed: int) -> bool:
        """Name the groups that are too small; False if fewer than two are large enough to be compared."""
        sizes = [int((division.codes == i).sum()) for i in range(len(division.groups))]
        for group, size in zip(division.groups, sizes, strict=True):
            if size < needed:
                self._few("small-group", group, f"only {size} rows, {needed} are needed", group)
            else:
                self.compared.add(group)
        return self._two(division, sum(size >= needed for size in sizes), f"{needed} rows")

    def require(self, groups: Sequence[str]) -> None:
        """Count a required group that was not compared as not examined."""
        for group in groups:
            if group not in self.compared:
                self.skipped.append(Skipped(group, self.left_out.get(group, "no group of this name was examined")))

    def cannot_measure(self, names: Sequence[str], reason: str) -> None:
        """Count a judged metric that cannot be measured as not examined."""
        for name in names:
            if self.largest[name] < 1:
                self.skipped.append(Skipped(name, reason))

    def _list(self, division: Division, rate: Rate) -> None:
        present = [i for i in range(len(division.groups)) if rate.n[i]]
        found = intervals.score_intervals(rate.hits[present], rate.n[present])
        for i, interval in zip(present, found, strict=True):
            value, n = float(rate.hits[i] / rate.n[i]), int(rate.n[i])
            self.metrics.append(Metric(rate.name, value, n, ci=interval, slice=division.groups[i]))

    def _leave_out(self, group: str, i: int, rate: Rate, *, whole: bool) -> None:
        text = f"only {rate.n[i]} {rate.among}, {rate.needed} are needed"
        if whole:
            self._few("small-group", group, text, group)
        else:
            self._few("few-outcomes", group, text, f"{group}: {rate.name}")

    def _few(self, rule: str, group: str, text: str, where: str) -> None:
        self.note(rule, Severity.LOW, f"{where} is not compared: {text}", where)
        self.left_out[group] = text

    def _comparable(self, division: Division, rate: Rate) -> bool:
        return self._two(division, int(rate.compared.sum()), f"{rate.needed} {rate.among}")

    def _two(self, division: Division, enough: int, what: str) -> bool:
        if enough >= 2:
            return True
        reason = f"{enough} group{'' if enough == 1 else 's'} with at least {what}"
        hint = ", or pass --intersectional false" if " & " in division.attribute else ""
        text = f"has {reason}, comparing takes two; give more rows of every group{hint}"
        self.skipped.append(Skipped(division.attribute, text))
        return False

    def _precision(self, division: Division, rate: Rate) -> None:
        """Compare how often a yes is right; a model that says yes to few is in error only if that is judged."""
        if rate.compared.sum() >= 2:
            self._judge(division, "predictive_parity", disparity([rate]))
        elif self.largest["predictive_parity_difference"] < 1:
            self._comparable(division, rate)
        else:
            enough = int(rate.compared.sum())
            text = f"precision is not compared: {enough} groups have at least {rate.needed} {rate.among}"
            self.note("few-outcomes", Severity.LOW, text, f"{division.attribute}: {rate.name}")

    def _judge(self, division: Division, name: str, found: Disparity) -> None:
        """Turn a disparity into metrics and into criteria on them."""
        part, n = f"attribute={division.attribute}", found.n
        self.metrics.append(
            Metric(f"{name}_difference", found.difference, n, "1", "lower", found.difference_interval, part)
        )
        self._demand_most(f"{name}_difference", part)
        smallest = self.smallest.get(f"{name}_ratio", 0.0)
        if smallest > 0:
            counted = intervals.counted(self.bound, ">=")
            self.criteria.append(Criterion(f"{name}_ratio", ">=", smallest, counted, part))
        if found.ratio is None:
            text = "no group has a single yes, so that the rates are equal and their ratio is undefined"
            self.note("undefined-ratio", Severity.LOW, text, f"{name}_ratio[{part}]")
            return
        self.metrics.append(Metric(f"{name}_ratio", found.ratio, n, "1", "higher", found.ratio_interval, part))

    def _demand_most(self, name: str, part: str) -> None:
        largest = self.largest[name]
        if largest < 1 or name in self.always:
            self.criteria.append(Criterion(name, "<=", largest, intervals.counted(self.bound, "<="), part))

    def _name_standouts(self, division: Division, measured: Rates) -> None:
        odds = min(NOTABLE, self.largest["equalized_odds_difference"])
        found = standouts(
            [
                (measured.selection, min(NOTABLE, self.largest["demographic_parity_difference"])),
                (measured.true_positive, min(odds, self.largest["equal_opportunity_difference"])),
                (measured.false_positive, odds),
                # Where groups differ in how many are positive, precisions differ of models that are fair otherwise.
                (measured.precision, self.largest["predictive_parity_difference"]),
            ]
        )
        for one in found[:MOST_NAMED]:
            group = division.groups[one.group]
            self.note("disparity", Severity.MEDIUM, _standing_out(group, one), f"{group}: {one.rate}")
        if len(found) > MOST_NAMED:
            text = f"{len(found) - MOST_NAMED} more groups of {division.attribute} stand out, by less"
            self.note("disparity", Severity.MEDIUM, text, division.attribute)


def _standing_out(group: str, one: Standout) -> str:
    apart = one.value - one.others
    chance = "less than 0.001" if one.p < 0.001 else f"{one.p:.3f}"
    return (
        f"{group} has a {one.rate.replace('_', ' ')} of {one.value:.3f}, all other groups together {one.others:.3f}: "
        f"{abs(apart):.3f} {'more' if apart > 0 else 'less'}; by chance that has a probability of {chance} (Holm)"
    )


def _area(proxy: Proxy) -> str:
    ends = proxy.interval
    return f"area under the ROC curve {proxy.auc:.3f} [{ends.low:.3f}, {ends.high:.3f}], 0.5 is guessing"
