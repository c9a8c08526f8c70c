# SPDX-License-Identifier: Apache-2.0
"""SLSA Verification Summaries: what a trusted gate decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wardein.evidence.claims import Claim
from wardein.report import VSA

PASSED, FAILED = "PASSED", "FAILED"


@dataclass(frozen=True)
class Summary:
    """One decision on one model.

    Attributes:
        model: The sha256 of the model.
        policy: The sha256 of the policy that it was judged by.
        decided: When; the beginning of time if it does not say.
        rests_on: The sha256 of the payload of every report and waiver that counted.
        approvals: The same of the approvals.
        claim: The sha256 of the envelope.
        said: The whole predicate.
    """

    model: str
    passed: bool
    policy: str
    environment: str
    tier: str
    nonce: str
    decided: datetime
    rests_on: frozenset[str]
    approvals: frozenset[str]
    claim: str
    said: Mapping[str, Any]


def summaries_in(claims: Sequence[Claim]) -> list[Summary]:
    """The decisions that a key with the role ``gate`` signed, oldest first; of two at once, the bad one is last."""
    found = []
    for claim in claims:
        statement = claim.statement
        if claim.signer is None or statement is None or statement.predicate_type != VSA or len(statement.subject) != 1:
            continue
        said = statement.predicate
        policy, rests_on, approvals = said.get("policy"), said.get("restsOn"), said.get("approvals")
        digest = policy.get("digest") if isinstance(policy, dict) else None
        found.append(
            Summary(
                statement.subject[0].digest,
                said.get("verificationResult") == PASSED,
                str(digest.get("sha256", "")) if isinstance(digest, dict) else "",
                str(said.get("environment", "")),
                str(said.get("tier", "")),
                str(said.get("nonce", "")),
                _moment(said.get("timeVerified")),
                frozenset(map(str, rests_on)) if isinstance(rests_on, list) else frozenset(),
                frozenset(map(_digest, approvals)) if isinstance(approvals, list) else frozenset(),
                claim.digest,
                said,
            )
        )
    return sorted(found, key=lambda summary: (summary.decided, not summary.passed))


def _digest(item: Any) -> str:
    return str(item.get("sha256", "")) if isinstance(item, dict) else ""


def _moment(text: Any) -> datetime:
    never = datetime.min.replace(tzinfo=UTC)
    try:
        found = datetime.fromisoformat(text)
        return found if found.utcoffset() is not None else never
    except (TypeError, ValueError, OverflowError):
        return never
