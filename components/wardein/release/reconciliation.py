# SPDX-License-Identifier: Apache-2.0
"""What a registry's alias points to, held against the decisions of the gate.

Tags, stages and aliases can be set by everybody who can write to the registry, and files exchanged by everybody
who can write to its store. So the files are downloaded and hashed, and of the evidence beside them only a decision
counts that a gate key of the trust root signed: PASSED, on exactly these bytes, under the policy and for the
environment of the trust root.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError
from wardein.evidence.claims import gather
from wardein.evidence.summaries import FAILED, Summary, summaries_in
from wardein.evidence.trust import TrustRoot
from wardein.release.mlflow_server import Elsewhere, Held, asking, versions_of
from wardein.release.registry import TAG
from wardein.release.store import PROMOTE
from wardein.release.terms import moment
from wardein.subject import digest_of

SERVED_STAGES = ("Production", "Staging")


@dataclass(frozen=True)
class Pointer:
    """An alias or a stage of a registered model, and what is wrong with the version that it points to.

    Attributes:
        name: As it stands in a model URI: ``@ALIAS`` or ``/STAGE``.
        digest: The sha256 of the bytes that were downloaded; empty if none were.
        problems: Why it is not in order; empty if it is.
        examined: Whether its version could be looked at; the problems say why not.
    """

    model: str
    name: str
    version: str
    digest: str = ""
    problems: tuple[str, ...] = ()
    examined: bool = True

    @property
    def uri(self) -> str:
        """As MLflow writes it."""
        return f"models:/{self.model}{self.name}"

    @property
    def state(self) -> str:
        """In a word."""
        return "not examined" if not self.examined else "not ok" if self.problems else "ok"


@dataclass(frozen=True)
class Rules:
    """What is believed: the trust root, and an audit log's entries, oldest first; None without a log."""

    trust: TrustRoot
    log: Sequence[Mapping[str, str]] | None


def pointers(client: Any, model: Any, rules: Rules) -> Iterator[Pointer]:
    """Examine each alias of a registered model, and name each version that a stage alone makes serve.

    Raises:
        WardeinError: If the model's versions cannot be listed.
    """
    for alias, version in sorted(model.aliases.items()):
        yield _examine(client, Pointer(model.name, f"@{alias}", str(version)), rules)
    aliased = {str(version) for version in model.aliases.values()}
    for version in sorted(versions_of(client, model.name), key=lambda item: int(item.version)):
        if version.current_stage in SERVED_STAGES and str(version.version) not in aliased:
            why = "is in a stage, which anybody can set and nothing verifies; promote it to an alias"
            yield Pointer(model.name, f"/{version.current_stage}", str(version.version), problems=(why,))


def _examine(client: Any, pointer: Pointer, rules: Rules) -> Pointer:
    try:
        with asking("the version cannot be looked up"):
            found = client.get_model_version(pointer.model, pointer.version)
        tags = {name.removeprefix(TAG): text for name, text in found.tags.items() if name.startswith(TAG)}
        held = Held.of(client, pointer.model, pointer.version)
        with tempfile.TemporaryDirectory(prefix="wardein-") as private:
            return _judge(pointer, held, tags, rules, Path(private))
    except Elsewhere as error:
        return replace(pointer, problems=(error.what,))
    except WardeinError as error:
        return replace(pointer, problems=(str(error),), examined=False)


def _judge(pointer: Pointer, held: Held, tags: Mapping[str, str], rules: Rules, private: Path) -> Pointer:
    evidence = held.download_evidence(private)
    if evidence is None:
        return replace(pointer, problems=("moved without a decision: there is no evidence beside this version",))
    folder = held.download_model(private)
    if folder is None:
        return replace(pointer, problems=("its files are gone",))
    decisions = summaries_in(gather([evidence], rules.trust))
    digest = _digest(folder, decisions)
    decision, problems = _decision_on(digest, decisions, rules.trust)
    said = {"digest": digest, "evidence": hashlib.sha256(evidence.read_bytes()).hexdigest()}
    if decision is not None:
        said |= {"decision": decision.claim, "tier": decision.tier}
        said |= {"policy": decision.policy, "environment": decision.environment}
    forged = [name for name in said if tags.get(name) != said[name]]
    problems += [f"its tag {TAG}{name} is not what its files say" for name in forged]
    if rules.log is not None:
        problems += _against_log(pointer, digest, decision, rules.log)
    return replace(pointer, digest=digest, problems=tuple(problems))


def _digest(folder: Path, decisions: Sequence[Summary]) -> str:
    """The digest of the model in a folder, which is the folder or the only file in it, whichever was decided on."""
    of_folder, inside = digest_of(folder), list(folder.iterdir())
    if len(inside) != 1 or inside[0].is_dir() or of_folder in {decision.model for decision in decisions}:
        return of_folder
    return digest_of(inside[0])


def _decision_on(digest: str, decisions: Sequence[Summary], trust: TrustRoot) -> tuple[Summary | None, list[str]]:
    """The decision that counts for these bytes here, and why it does not let them be served."""
    if not decisions:
        return None, ["moved without a decision: its evidence holds none that a gate of the trust root signed"]
    about = [decision for decision in decisions if decision.model == digest]
    if not about:
        return None, [f"its bytes differ from those that were decided on: they are sha256:{digest}"]
    here = [decision for decision in about if not _of_other_rules(decision, trust)]
    if not here:
        return about[-1], _of_other_rules(about[-1], trust)
    return here[-1], [] if here[-1].passed else ["the last decision on it is FAILED"]


def _of_other_rules(decision: Summary, trust: TrustRoot) -> list[str]:
    problems = []
    if decision.policy != trust.policy_digest:
        problems.append("the decision was made under another policy than the trust root pins")
    if decision.environment != trust.environment:
        problems.append(f"the decision was made for another environment than {trust.environment}")
    return problems


def _against_log(
    pointer: Pointer, digest: str, decision: Summary | None, log: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """What the audit log says against it."""
    promotions = [entry for entry in log if entry.get("action") == PROMOTE]
    if not any((entry.get("model"), entry.get("registry")) == (digest, pointer.uri) for entry in promotions):
        yield "the audit log knows of no promotion of these bytes to this alias"
    here = [entry for entry in promotions if entry.get("registry") == pointer.uri]
    if here and here[-1].get("model") != digest:
        yield "is not where the audit log's last promotion to this alias put it: that was of other bytes"
    decided = [entry for entry in log if entry.get("action") == "decide" and entry.get("model") == digest]
    when = moment(decided[-1].get("decided")) if decided and decided[-1].get("result") == FAILED else None
    if when is not None and decision is not None and when > decision.decided:
        yield f"the audit log has a later decision on these bytes: FAILED ({decided[-1].get('reasons')})"
