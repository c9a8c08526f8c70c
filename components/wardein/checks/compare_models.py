# SPDX-License-Identifier: Apache-2.0
"""compare_models: whether a new model is worse than the one in use, on the same rows or on a stream of outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from wardein.artifacts import AuditLog, Dataset, Judged, Model, Summary, Threshold, TrustRoot
from wardein.errors import UsageError, WardeinError
from wardein.report import Coverage, Finding, Metric, Report, Severity, Tool, conclude
from wardein.statistics.intervals import End


def compare_models(
    model: Model,
    data: Dataset,
    label: str,
    champion: Model,
    promotion: Summary | None = None,
    log: AuditLog | None = None,
    trust: TrustRoot | None = None,
    mode: Literal["rows", "canary"] = "rows",
    max_loss: Threshold = 0.02,
    max_slice_loss: Threshold = 0.05,
    bound: Annotated[End, Judged()] = "worst",
    answered_by: str = "answered_by",
    time: str = "",
    min_outcomes: int = 100,
    alpha: float = 0.025,
    beta: float = 0.025,
    seed: int = 0,
) -> Report:
    """Compare a model with the one in use, and fail if it may be worse by more than is tolerated.

    In the mode "rows" both predict the same labelled rows. As every row was seen by both, far fewer are needed than for
    two separate samples: differences of accuracy and of every class's recall have paired intervals, beside McNemar's
    exact p value; those of the areas under the ROC curves are DeLong's, and those of Brier score, log loss and a
    regressor's mean absolute error come from a paired bootstrap. The parts of the table where the challenger loses more
    than elsewhere are searched for, with intervals that take the search into account, so that a part that got worse
    shows behind an equal mean. Columns are set to values that rows do not have, to find a trigger that no accuracy
    shows. Up to ten rows that the two see differently are listed.

    In the mode "canary" the data are outcomes of both models in use, and nothing is predicted. The interval of the
    difference holds at all times at once: look as often as you like, after every outcome if need be, and the
    probability of ever passing a challenger that is worse by more than max_loss is at most alpha, that of ever failing
    one that is not, beta, however the rates drift. As long as neither is shown, the verdict is FAIL, as inconclusive.

    That the champion is the model that was promoted last is shown by three things together: the evidence that promote
    left beside it, the audit log, and the trust root. Without the first two, that it was not shown is a finding; a
    trust root alone shows nothing. `promote` looks again, at the log of the folder that it serves from.

    Args:
        model: The challenger: skops, or a pickle or joblib file of a scikit-learn classifier or regressor.
        data: For "rows" labelled rows that neither model has seen, at least 30. For "canary" one row for each outcome,
            in order of time. CSV or Parquet.
        label: The column with the true class or number; for "canary" with the outcome, 1 for good and 0 for bad, or a
            number between.
        champion: The model in use, of the same task and classes.
        promotion: The claims.jsonl that promote left beside the champion.
        log: The audit.jsonl of the folder that the champion is served from. Whether its end was cut, only `wardein
            audit verify` with checkpoints can tell.
        trust: The trust root of the environment that the champion is served in.
        mode: "rows" lets both predict the same rows; "canary" reads the outcomes of both in use.
        max_loss: How much worse the challenger may be, 0 to 1; 1 tolerates anything. For a classifier a difference of
            accuracies, so that 0.02 means 2 of 100 rows; for a regressor a share of the champion's mean absolute error;
            for "canary" a difference of mean outcomes.
        max_slice_loss: The same for the part of the rows that lost most. A FAIL means that the data show it.
        bound: Which number must meet max_loss. "worst" is the unfavourable end of the interval: a PASS means that the
            challenger is shown not to be worse by more, and too few rows fail as inconclusive. "point" is the estimate.
            "best" is the other end: a FAIL means that it is shown to be worse by more.
        answered_by: For "canary" the column with the sha256 of the model that answered, as `wardein show` prints it.
        time: For "canary" a column with times or numbers by which the rows must be in order; empty to believe it.
        min_outcomes: For "canary" how many outcomes each model must have.
        alpha: For "canary" the largest tolerated probability of a wrong PASS.
        beta: For "canary" the largest tolerated probability of a wrong FAIL.
        seed: The seed of what is drawn at random.

    Returns:
        A report with the differences, the parts that lost most, and the rows that are seen differently.

    Raises:
        WardeinError: If something cannot be read, the two are the same model or of different tasks or classes, an
            outcome is of neither, or the champion is not the model that was promoted last.

    References:
        Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
        design, Statistics in Medicine 17. McNemar (1947), Psychometrika 12. DeLong, DeLong and Clarke-Pearson (1988),
        Biometrics 44; Sun and Xu (2014), IEEE Signal Processing Letters 21. Turner and Grünwald (2023), Exact
        anytime-valid confidence intervals for contingency tables and beyond, Statistics and Probability Letters 198.
    """
    import sklearn

    from wardein.subject import digest_of
    from wardein.tables import read_table

    _check_settings(
        {"--max-loss": max_loss, "--max-slice-loss": max_slice_loss}, {"--alpha": alpha, "--beta": beta}, min_outcomes
    )
    digests = digest_of(model), digest_of(champion)
    if digests[0] == digests[1]:
        mend = "give the model in use as --champion"
        raise WardeinError("is the same model as the champion: there is nothing to compare", where="--model", mend=mend)
    origin = _origin(digests[1], promotion, log, trust)
    table = read_table(data)
    if mode == "canary":
        from wardein.comparison.canary import judge, stream_of

        stream = stream_of(table, (label, answered_by, time), digests)
        metrics, criteria, findings = judge(*stream, (alpha, beta), max_loss, min_outcomes, bound)
    else:
        from wardein.comparison.rows import LEAST_ROWS, compare
        from wardein.models.load import loaded

        if len(table) < LEAST_ROWS:
            raise WardeinError(f"has {len(table)} rows, {LEAST_ROWS} are needed to compare models", where="--data")
        with loaded(model) as challenger, loaded(champion) as used:
            limits = (max_loss, max_slice_loss)
            found = compare(challenger.model, used.model, table, label, limits, bound, seed)
        metrics, criteria, findings = found.metrics, found.criteria, found.findings
    shown = Metric("champion_promoted", 0 if origin else 1, 1, unit="count", direction="higher")
    return conclude(
        coverage=Coverage("outcomes" if mode == "canary" else "rows", expected=len(table), examined=len(table)),
        tools=[] if mode == "canary" else [Tool("scikit-learn", sklearn.__version__)],
        metrics=[*metrics, shown],
        criteria=criteria,
        findings=[*findings, *origin],
    )


def _origin(digest: str, promotion: Path | None, log: Path | None, trust: Path | None) -> list[Finding]:
    """That the champion's origin is not shown, unless it is."""
    if promotion is not None and log is not None and trust is not None:
        from wardein.comparison.promoted import check_promoted

        check_promoted(digest, promotion, log, trust)
        return []
    if promotion is not None or log is not None:
        raise UsageError("--promotion, --log and --trust go together", where="--champion", mend="give all three")
    if trust is not None:
        from wardein.evidence import trust as trust_root

        trust_root.load(trust)  # it shows nothing here, but what is given has to be what it is called
    text = "that the champion is the model that was promoted last was not shown; give --promotion, --log and --trust"
    return [Finding("compare/unproven-champion", Severity.LOW, text, "--champion", fails=False)]


def _check_settings(losses: Mapping[str, float], errors: Mapping[str, float], least: int) -> None:
    for flag, loss in losses.items():
        if not 0 <= loss <= 1:
            raise UsageError(f"{loss:g} is not between 0 and 1", where=flag, mend="give a proportion")
    for flag, error in errors.items():
        if not 1e-6 <= error <= 0.25:
            raise UsageError(f"{error:g} is not between 0.000001 and 0.25", where=flag, mend="give a small probability")
    if least < 1:
        raise UsageError(f"{least} is less than 1", where="--min-outcomes")
