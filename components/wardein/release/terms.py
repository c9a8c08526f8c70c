# SPDX-License-Identifier: Apache-2.0
"""The terms that the parts of the gate share: what is released, by which rules, and how something is denied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wardein.evidence import trust as trust_root
from wardein.evidence.trust import TrustRoot
from wardein.images.identity import identify
from wardein.policy import load as policies
from wardein.policy.policy import Policy
from wardein.report import Finding, Severity
from wardein.subject import digest_of

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Release:
    """What is to be released, and the rules it is judged by.

    Attributes:
        shown: The sha256 of every artifact that the verifier itself hashed, by role: ``model``, ``data``, ``trust`` …
        policy: What is demanded in the trust root's environment and the tier that was asked for.
        rules: The policy folder, for the Rego rules in it.
        nonce: The run whose evidence counts; empty for any run.
    """

    shown: Mapping[str, str]
    trust: TrustRoot
    policy: Policy
    rules: Path
    nonce: str = ""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def release_of(
    model: Path, trust: Path, policy: Path, nonce: str, tier: str, image: str, **others: Path | None
) -> Release:
    """Hash what is shown to the verifier, and read the rules.

    Raises:
        WardeinError: If an artifact, the trust root or the policy cannot be read, or the policy says nothing of the
            trust root's environment.
    """
    shown = {"model": digest_of(model), "trust": digest_of(trust)}
    shown |= {name: digest_of(p, links=name == "source") for name, p in others.items() if p is not None}
    if image:
        shown["image"] = identify(image)
    root = trust_root.load(trust)
    rules = policies.load(policy, root.environment, "" if tier == "default" else tier)
    return Release(shown, root, rules, policy, nonce)


def record_of(release: Release) -> dict[str, str]:
    """What an audit log notes of a release."""
    shown = {name: digest for name, digest in release.shown.items() if name != "model"}
    rules = {"environment": release.trust.environment, "tier": release.policy.tier, "policy": release.policy.digest}
    return {"model": release.shown["model"], **rules, "nonce": release.nonce, **shown}


def deny(rule: str, location: str, message: str) -> Finding:
    """A reason against the release."""
    return Finding(rule, Severity.CRITICAL, message, location)


def tell(rule: str, location: str, message: str) -> Finding:
    """Something that people should know, and that changes nothing."""
    return Finding(rule, Severity.INFO, message, location, fails=False)


def moment(text: Any) -> datetime | None:
    """A moment with its time zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None and found.utcoffset() is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
