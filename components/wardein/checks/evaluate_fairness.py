# SPDX-License-Identifier: Apache-2.0
"""evaluate_fairness: compare a model's outcomes between groups of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from wardein.artifacts import Dataset, Judged, Model, Threshold
from wardein.errors import UsageError
from wardein.report import Coverage, Finding, Report, Severity, Tool, conclude
from wardein.statistics.comparisons import Comparisons
from wardein.statistics.contingency import resample, tabulate
from wardein.statistics.disparities import rates
from wardein.statistics.groups import Division, divide, name_of
from wardein.statistics.intervals import End
from wardein.statistics.proxies import proxies
from wardein.statistics.quantities import calibration_errors, means
from wardein.statistics.ranking import among_the_first

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from wardein.models.predictors import Classifier, Regressor
    from wardein.statistics.outcomes import Numbers, Outcomes

# What is judged of a regressor alone.
OF_NUMBERS = ("mean_prediction_difference", "mean_residual_difference", "mean_absolute_error_difference")


def evaluate_fairness(
    model: Model,
    data: Dataset,
    label: str,
    sensitive: list[str],
    positive: str = "",
    max_demographic_parity_difference: Threshold = 0.10,
    max_equalized_odds_difference: Threshold = 0.10,
    min_demographic_parity_ratio: Threshold = 0.0,
    max_equal_opportunity_difference: Threshold = 1.0,
    max_predictive_parity_difference: Threshold = 1.0,
    max_calibration_difference: Threshold = 1.0,
    max_top_selection_difference: Threshold = 1.0,
    max_mean_prediction_difference: Threshold = 1.0,
    max_mean_residual_difference: Threshold = 1.0,
    max_mean_absolute_error_difference: Threshold = 1.0,
    bound: Annotated[End, Judged()] = "worst",
    min_group_size: int = 30,
    min_outcomes: int = 10,
    required_groups: list[str] = [],  # noqa: B006 - read, never changed
    intersectional: bool = True,
    bins: dict[str, str] = {},  # noqa: B006 - read, never changed
    top_fraction: float = 0.1,
    interval: Literal["newcombe", "bootstrap"] = "newcombe",
    replicates: int = 1000,
    seed: int = 0,
) -> Report:
    """Compare a model's outcomes between groups of people, and fail if they differ too much.

    For each sensitive attribute, and for all of them crossed, a classifier's rates are compared between groups: how
    often it gives the positive class (selection rate: demographic parity), how often to rows that are truly positive
    (true positive rate: equal opportunity), how often to rows that are not (false positive rate; with the one before:
    equalized odds), and how often its positive class is right (precision: predictive parity). Of a model that gives
    probabilities, the expected calibration error of each group, and each group's share among the rows with the
    highest probabilities. Of a regressor, the means of prediction, of residual and of absolute error, and who is among
    the highest predictions. Difference and ratio are between the groups that differ most. Their intervals take into
    account that the most different pair was picked among all pairs. A group whose rate differs from that of all others
    by more than is tolerated or by more than 0.10, and by more than chance (Fisher's exact test, 5 % for all groups of
    an attribute together by Holm), is named in a finding, which does not fail.

    Features that tell the attribute, so that a model can act on it without seeing it, are named in findings with how
    well they do: the area under the ROC curve, cross-validated, of the feature alone and of all together. They do not
    fail.

    A group with too few rows is listed with its rates and a finding, but is not compared; nor is a group's rate among
    too few positive, negative or selected rows. Its rows count as examined: name the groups that must not go uncompared
    as required. Where fewer than two groups can be compared, or a required group cannot, the verdict is ERROR. A model
    that answers the same rows differently when it is asked again fails.

    Args:
        model: The fitted classifier or regressor: skops, or a pickle or joblib file of a scikit-learn model or
            Pipeline.
        data: Labelled rows that the model has not seen, as CSV or Parquet, one row per person. It holds the model's
            features, the label and the sensitive attributes, which need not be features.
        label: The column with the true class, or with the true number.
        sensitive: The columns that divide people into groups, for example sex and race. Repeat the option for more
            than one.
        positive: The favourable class, for example "approved"; every other class counts as unfavourable. Empty means
            the last of the model's two classes; a model with more classes needs it, and a regressor has none.
        max_demographic_parity_difference: The largest tolerated difference of selection rates, 0 to 1; 1 tolerates
            any.
        max_equalized_odds_difference: The largest tolerated difference of true or of false positive rates, 0 to 1; 1
            tolerates any.
        min_demographic_parity_ratio: The smallest tolerated ratio of selection rates, 0 to 1; 0.8 is the four-fifths
            rule, 0 reports the ratio without judging it.
        max_equal_opportunity_difference: The largest tolerated difference of true positive rates alone, 0 to 1; 1
            tolerates any.
        max_predictive_parity_difference: The largest tolerated difference of precisions, 0 to 1; 1 tolerates any.
        max_calibration_difference: The largest tolerated difference of expected calibration errors, 0 to 1; 1
            tolerates any. It needs a classifier that gives probabilities.
        max_top_selection_difference: The largest tolerated difference of the shares of a group's rows that are among
            the first, 0 to 1; 1 tolerates any. It needs probabilities or a regressor.
        max_mean_prediction_difference: The largest tolerated difference of a regressor's mean predictions, in standard
            deviations of the label; 1 tolerates any.
        max_mean_residual_difference: The same of its mean residuals, prediction less truth: whether it flatters a
            group.
        max_mean_absolute_error_difference: The same of its mean absolute errors: whether it knows a group less well.
        bound: Which number must meet a threshold. "worst" is the unfavourable end of the 95 % interval: a PASS means
            that the data show it, and too few rows fail as inconclusive (to show that a true difference of 0.05 is
            below 0.10 takes at least about 700 rows a group). "point" is the estimate, which overstates the
            difference between many or small groups. "best" is the other end: a FAIL means that the data show it.
        min_group_size: The rows that a group needs to be compared.
        min_outcomes: The positive rows that a group needs for its true positive rate to be compared, the negative
            rows for its false positive rate, and the rows with a positive prediction for its precision.
        required_groups: Groups that have to be compared, written as in the report: "sex=1", or "sex=1, age=60+" for
            attributes crossed. Repeat the option for more than one.
        intersectional: Whether all attributes are crossed as well, if there is more than one.
        bins: Cut points that turn a number into groups, for example age=40,60 for below 40, 40 to below 60, and 60 or
            more. A number with more than 10 different values needs them.
        top_fraction: Which part of the rows, ranked by their probability of the positive class or by a regressor's
            prediction, are the first, above 0 and below 1.
        interval: Where the intervals of rates' differences and ratios come from. "newcombe" is a closed form over the
            rates' Wilson intervals, which holds at rates near 0 and 1 and for small groups. "bootstrap" draws every
            group's rows anew; on many rows the two agree.
        replicates: How often the bootstrap draws, 100 to 100000.
        seed: Seeds the bootstrap, and the rows that proxies are looked for in.

    Returns:
        A report with the rates of every group, per attribute the differences and ratios, and how well features tell
        the attributes.

    Raises:
        WardeinError: If the model or data cannot be read, a column is missing or incomplete, or a value makes no sense.

    References:
        Hardt, Price and Srebro (2016), Equality of Opportunity in Supervised Learning. Chouldechova (2017), Fair
        prediction with disparate impact, Big Data 5. Guo et al. (2017), On Calibration of Modern Neural Networks.
        Singh and Joachims (2018), Fairness of Exposure in Rankings. Newcombe (1998), Interval estimation for the
        difference between independent proportions, Statistics in Medicine 17. Zou and Donner (2008), Construction of
        confidence limits about effect measures, Statistics in Medicine 27. Romano and Wolf (2005), Stepwise multiple
        testing as formalized data snooping, Econometrica 73. Holm (1979), A simple sequentially rejective multiple
        test procedure. Four-fifths rule: 29 CFR 1607.4 D. Point values by fairlearn.
    """
    import fairlearn

    from wardein.models.load import loaded
    from wardein.models.predictors import Classifier
    from wardein.tables import read_table

    largest = {
        "demographic_parity_difference": max_demographic_parity_difference,
        "equalized_odds_difference": max_equalized_odds_difference,
        "equal_opportunity_difference": max_equal_opportunity_difference,
        "predictive_parity_difference": max_predictive_parity_difference,
        "calibration_difference": max_calibration_difference,
        "top_selection_difference": max_top_selection_difference,
        "mean_prediction_difference": max_mean_prediction_difference,
        "mean_residual_difference": max_mean_residual_difference,
        "mean_absolute_error_difference": max_mean_absolute_error_difference,
    }
    _check_settings(sensitive, label)
    _check_numbers(
        {f"--max-{name.replace('_', '-')}": value for name, value in largest.items()}
        | {"--min-demographic-parity-ratio": min_demographic_parity_ratio},
        {"--min-group-size": min_group_size, "--min-outcomes": min_outcomes},
    )
    _check_drawing(top_fraction, replicates, seed)
    table = read_table(data)
    study = Comparisons(
        bound,
        largest,
        {"demographic_parity_ratio": min_demographic_parity_ratio},
        frozenset({"demographic_parity_difference", "equalized_odds_difference"}),
    )
    settings = _Settings(min_group_size, min_outcomes, top_fraction, replicates if interval == "bootstrap" else 0, seed)
    divisions = divide(table, sensitive, bins, crossed=intersectional)
    with loaded(model) as held:
        predictor = held.model
        if isinstance(predictor, Classifier):
            complete = _compare_classes(study, predictor, table, label, positive, divisions, settings)
        else:
            if positive:
                raise UsageError(f"a regressor has no class {positive!r}", where="--positive", mend="leave it out")
            complete = _compare_numbers(study, predictor, table, label, divisions, settings)
        features = list(predictor.features)
    for attribute, division in zip(sensitive, divisions, strict=False):
        _look_for_proxies(study, attribute, division, table[features], settings)
    study.require([name_of(group) for group in required_groups])
    return conclude(
        coverage=Coverage(
            "rows", expected=len(table), examined=len(table) if complete else 0, skipped=tuple(study.skipped)
        ),
        tools=[Tool("fairlearn", fairlearn.__version__)],
        metrics=study.metrics,
        criteria=study.criteria,
        findings=study.findings,
    )


@dataclass(frozen=True)
class _Settings:
    rows: int
    outcomes: int
    top: float
    replicates: int
    seed: int

    def draw(self, cells: np.ndarray) -> np.ndarray | None:
        """Replicates of a table of counts, if intervals come from them."""
        return resample(cells, self.replicates, self.seed) if self.replicates else None


def _compare_classes(
    study: Comparisons,
    classifier: Classifier,
    table: pd.DataFrame,
    label: str,
    positive: str,
    divisions: Sequence[Division],
    settings: _Settings,
) -> bool:
    """Compare what a classifier says of groups; False if some attribute's groups cannot be compared."""
    from wardein.statistics.outcomes import observe

    outcomes = observe(classifier, table, label, probabilities=True)
    _ask_again(study, classifier, table, outcomes)
    favourable = outcomes.positive(positive)
    truth, said = outcomes.truth == favourable, outcomes.predicted == favourable
    if not positive:
        text = (
            f"the favourable class was not named and taken to be {outcomes.classes[favourable]!r}; ratios depend on it"
        )
        study.note("assumed-positive", Severity.INFO, text, "--positive")
    if said.all() or not said.any():
        text = "the model gives every row the same class: its rates are equal, and say nothing about its merit"
        study.note("constant-model", Severity.MEDIUM, text, "--model")
    comparable = []
    for division in divisions:
        cells = tabulate(division, truth, said)
        measured = rates(cells, rows=settings.rows, outcomes=settings.outcomes, drawn=settings.draw(cells))
        if study.rates(division, measured):
            comparable.append(division)
    if outcomes.probabilities is None:
        reason = "the model gives no probabilities; give one with predict_proba, or drop the threshold"
        study.cannot_measure(["calibration_difference", "top_selection_difference"], reason)
    else:
        scores = outcomes.probabilities[:, favourable]
        for division in comparable:
            found = calibration_errors(scores, truth, division, rows=settings.rows)
            study.quantity(division, found, "calibration_difference", "1", 1.0)
        _compare_top(study, scores, truth, comparable, settings)
    study.cannot_measure(list(OF_NUMBERS), "the model is a classifier, which predicts no number; drop the threshold")
    return len(comparable) == len(divisions)


def _compare_numbers(
    study: Comparisons,
    regressor: Regressor,
    table: pd.DataFrame,
    label: str,
    divisions: Sequence[Division],
    settings: _Settings,
) -> bool:
    """Compare what a regressor says of groups; False if some attribute's groups cannot be compared."""
    import numpy as np

    from wardein.statistics.outcomes import observe_numbers

    numbers = observe_numbers(regressor, table, label)
    _ask_again(study, regressor, table, numbers)
    residual = numbers.predicted - numbers.truth
    measured = {
        "mean_prediction": numbers.predicted,
        "mean_residual": residual,
        "mean_absolute_error": np.abs(residual),
    }
    if all(study.largest[name] >= 1 for name in (*OF_NUMBERS, "top_selection_difference")):
        text = "no threshold on a regressor's differences was given, so that none was judged"
        study.note("not-judged", Severity.INFO, text, "--model")
    scale = float(numbers.truth.std())
    comparable = []
    for division in divisions:
        if study.sizes(division, settings.rows):
            comparable.append(division)
        for name, values in measured.items():
            found = means(name, values, division, rows=settings.rows)
            study.quantity(division, found, f"{name}_difference", "label", scale)
    _compare_top(study, numbers.predicted, np.ones(len(table), dtype=bool), comparable, settings)
    reason = "the model is a regressor, which gives neither classes nor probabilities; drop the threshold"
    rates_of_classes = ["equal_opportunity_difference", "predictive_parity_difference", "calibration_difference"]
    study.cannot_measure(rates_of_classes, reason)
    return len(comparable) == len(divisions)


def _compare_top(
    study: Comparisons, scores: np.ndarray, truth: np.ndarray, divisions: Sequence[Division], settings: _Settings
) -> None:
    """Compare who is among the first, if rows are ranked by a score."""
    first, places, sharing = among_the_first(scores, settings.top)
    if sharing > max(places // 10, 1):
        text = (
            f"{sharing} rows have the score of place {places}, the last one that counts as among the first: which of "
            "them are is left to chance, and each counts with its chance"
        )
        study.note("tied-scores", Severity.LOW, text, "--top-fraction")
    for division in divisions:
        cells = tabulate(division, truth, first)
        measured = rates(cells, rows=settings.rows, outcomes=settings.outcomes, drawn=settings.draw(cells))
        study.top(division, replace(measured.selection, name="top_selection_rate"), places / len(scores))


def _ask_again(
    study: Comparisons, predictor: Classifier | Regressor, table: pd.DataFrame, said: Outcomes | Numbers
) -> None:
    """Ask the model about some rows again: rates of a model that draws lots are those of one draw."""
    from wardein.statistics.repeats import differing_again

    differing, asked = differing_again(predictor, table, said)
    if differing:
        text = f"the model answers {differing} of {asked} rows differently when it is asked again"
        study.findings.append(Finding("fairness/unstable", Severity.HIGH, text, "--model"))


def _look_for_proxies(
    study: Comparisons, attribute: str, division: Division, features: pd.DataFrame, settings: _Settings
) -> None:
    """Which of the model's features tell an attribute that it may not even see."""
    if attribute in features.columns:
        text = f"the model takes {division.attribute!r} itself as a feature"
        study.note("uses-attribute", Severity.LOW, text, division.attribute)
    others = features.drop(columns=attribute, errors="ignore")
    study.proxies(division.attribute, proxies(others, division, least=settings.rows, seed=settings.seed))


def _check_settings(sensitive: Sequence[str], label: str) -> None:
    if not sensitive:
        raise UsageError("names no attribute", where="--sensitive", mend="name at least one column")
    for name in sensitive:
        if name == label or list(sensitive).count(name) > 1:
            what = "is the label" if name == label else "is named twice"
            raise UsageError(f"{name!r} {what}", where="--sensitive", mend="name each sensitive column once")


def _check_numbers(shares: Mapping[str, float], counts: Mapping[str, int]) -> None:
    for flag, share in shares.items():
        if not 0 <= share <= 1:
            raise UsageError(f"{share:g} is not between 0 and 1", where=flag, mend="1 tolerates any difference")
    for flag, count in counts.items():
        if count < 1:
            raise UsageError(f"{count} is not 1 or more", where=flag, mend="a rate of no rows is undefined")


def _check_drawing(top_fraction: float, replicates: int, seed: int) -> None:
    if not 0 < top_fraction < 1:
        raise UsageError(f"{top_fraction:g} is not above 0 and below 1", where="--top-fraction", mend="0.1 is a tenth")
    if not 100 <= replicates <= 100_000:
        raise UsageError(f"{replicates} is not between 100 and 100000", where="--replicates")
    if seed < 0:
        raise UsageError(f"{seed} is below 0", where="--seed", mend="give 0 or more")
