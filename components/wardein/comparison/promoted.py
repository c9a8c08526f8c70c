# SPDX-License-Identifier: Apache-2.0
"""Whether a model is the one that was promoted last: by the gate's signed decision on it, and by the audit log.

The decision says that the model may be served, and cannot be made by whoever runs the comparison. The log says that no
other model was promoted after it. It is a chain without signatures: an edited line shows, a cut tail does not, which is
what the checkpoints of ``wardein audit`` are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.evidence import trust as trust_root
from wardein.evidence.claims import gather
from wardein.evidence.summaries import Summary, summaries_in
from wardein.jsontext import strict_loads
from wardein.subject import read_regular

_START = "0" * 64
_MAX_BYTES = 256 * 1024 * 1024


def check_promoted(digest: str, promotion: Path, log: Path, trust: Path) -> None:
    """Refuse a model that is not shown to be the one promoted last.

    Args:
        digest: The model's.
        promotion: The evidence that promote leaves beside a model.
        log: The audit log of the folder that models are served from.
        trust: The trust root.

    Raises:
        WardeinError: Saying what does not hold.
    """
    root = trust_root.load(trust)
    decisions = summaries_in(gather([promotion], root))
    told = [entry for entry in _entries(log) if entry.get("action") in ("open", "promote")]
    promoted = [entry for entry in told if entry.get("action") == "promote"]
    of = told[0].get("environment") if told else None
    if of != root.environment:
        raise WardeinError(f"is the log of {of or 'no environment'}, not of {root.environment}", where="--log")
    if not promoted:
        raise WardeinError("tells of no promotion", where="--log", mend="give the log of the folder that models are in")
    if promoted[-1].get("model") != digest:
        mend = "give the model that TARGET/current leads to"
        what = f"is not the model that was promoted last, which is sha256:{promoted[-1].get('model')}"
        raise WardeinError(what, where="--champion", mend=mend)
    _check_decision(digest, promoted[-1], decisions, root.environment)


def _check_decision(digest: str, promoted: Mapping[str, Any], decisions: list[Summary], environment: str) -> None:
    mend = "give the claims.jsonl that lies beside the champion"
    about = [decision for decision in decisions if decision.model == digest and decision.environment == environment]
    if not about:
        what = f"holds no decision on the champion that a gate of {environment} signed"
        raise WardeinError(what, where="--promotion", mend=mend)
    if not about[-1].passed:
        raise WardeinError("the gate's last decision on the champion is FAILED", where="--promotion")
    if promoted.get("decision") not in {decision.claim for decision in about if decision.passed}:
        raise WardeinError("is not the decision that the log names for the champion", where="--promotion", mend=mend)


def _entries(log: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of an audit log, each of which holds the sha256 of the line before it."""
    previous = _START
    for number, line in enumerate(read_regular(log, _MAX_BYTES).split(b"\n")[:-1], 1):
        try:
            entry = strict_loads(line)
        except WardeinError:
            entry = None
        if not isinstance(entry, dict) or entry.get("previous") != previous:
            raise WardeinError(f"line {number} does not follow from the one before it", where="--log")
        previous = hashlib.sha256(line).hexdigest()
        yield entry
