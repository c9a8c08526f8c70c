# SPDX-License-Identifier: Apache-2.0
"""A release that passes, and the means to attack it in exactly one place.

Every attack is run twice: the gate must deny it by the named rule, and must let it through once the one
verification step that guards against it is removed. So an attack that would be stopped by accident, or a
step that guards nothing, makes a test fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import yaml
from tests.conftest import House, Ran
from wardein import __version__, wire
from wardein.evidence.envelope import seal
from wardein.evidence.keys import create_file_key, signer_for
from wardein.evidence.statement import write
from wardein.policy.load import load
from wardein.release import admissibility, approvals, judgement, verification, waivers
from wardein.report import CHECK_RESULT, Coverage, Criterion, Input, Interval, Metric, Report, Tool, conclude
from wardein.spec import load as load_step
from wardein.subject import Subject, digest_of

NOW = datetime.now(UTC)
SUBJECTS = {"validate_data": "data", "scan_image": "image", "verify_artifact": "artifact"}


def moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Siege:
    """Evidence as an honest pipeline leaves it; an attack changes it before the gate looks."""

    house: House
    folder: Path
    reports: dict[str, Report]
    run_gate: Callable[..., Ran]
    keys: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Path | str] = field(default_factory=dict)
    nonce: str = "run-1"
    options: tuple[object, ...] = ()
    claims: list[Path] = field(default_factory=list)

    def amend(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Put a changed policy in force, as whoever holds the trust root may."""
        path = self.house.policy / "policy.yaml"
        policy = yaml.safe_load(path.read_text())
        change(policy)
        path.write_text(yaml.safe_dump(policy))
        trust = json.loads(self.house.trust.read_text())
        trust["policyDigest"] = digest_of(self.house.policy)
        self.house.trust.write_text(json.dumps(trust))

    def add_key(self, name: str, identity: str, *roles: str) -> None:
        """List one more key in the trust root."""
        public = create_file_key(self.house.folder / "keys" / f"{name}.pem")
        trust = json.loads(self.house.trust.read_text())
        entry = {"name": name, "identity": identity, "roles": roles, "keyid": public.keyid, **public.to_dict()}
        self.house.trust.write_text(json.dumps({**trust, "keys": [*trust["keys"], entry]}))

    def say(self, predicate_type: str, predicate: Mapping[str, Any], subject: str, *keys: str) -> Path:
        """Make a statement, signed with the house's keys of these names; the gate is given it."""
        envelope = seal(write([Subject("s", subject)], predicate_type, predicate), None)
        for key in keys:
            envelope = envelope.signed_by(signer_for(self.house.key(key)))
        path = self.folder / f"said-{len(self.claims)}.jsonl"
        path.write_bytes(envelope.to_line())
        self.claims.append(path)
        return path

    def step(self, name: str, *options: object, paths: list[Path] | None = None) -> Ran:
        """Run a step that takes the release: approve, gate or promote."""
        given = [*(self.write() if paths is None else paths), *self.claims]
        claims = [part for path in given for part in ("--claims", path)]
        shown = [part for role, value in self.shown.items() for part in (f"--{role}", value)]
        fixed = ["--trust", self.house.trust, "--policy", self.house.policy, "--nonce", self.nonce]
        return self.run_gate(name, *shown, *claims, *fixed, *self.options, *options, "--json")

    def alter(self, check: str, **changes: Any) -> None:
        """Change a report and sign it again with the check key: what a lying or misused checker could say."""
        self.reports[check] = replace(self.reports[check], **changes)

    def lines(self, check: str) -> list[bytes]:
        """The evidence of one check, as it lies in its file."""
        report = self.reports[check]
        payload = write(report.subject, CHECK_RESULT, wire.to_json(report))
        return [seal(payload, signer_for(self.keys.get(check, self.house.key("check")))).to_line()]

    def write(self) -> list[Path]:
        paths = []
        for check in self.reports:
            path = self.folder / f"{check}.jsonl"
            path.write_bytes(b"".join(self.lines(check)))
            paths.append(path)
        return paths

    def gate(self, paths: list[Path] | None = None) -> Ran:
        evidence = ["--evidence", self.folder / "gate.jsonl", "--key", self.house.key("gate")]
        return self.step("gate", *evidence, paths=paths)


def deny_rules(ran: Ran) -> set[str]:
    """The rules by which the gate denied."""
    return {finding["ruleId"] for finding in ran.report["findings"] if finding["fails"]}


def honest_report(check: str, house: House, inputs: Mapping[str, str]) -> Report:
    """A report that meets the house's policy."""
    policy = load(house.policy).checks[check]
    metrics, criteria = [], []
    for wanted in policy.criteria:
        good = 0.9 if wanted.comparator == ">=" else 0.05
        name = wanted.slice.replace("*", "sex")
        ci = Interval(good - 0.04, good + 0.04)
        metrics.append(Metric(wanted.metric, good, 500, ci=ci, slice=name))
        criteria.append(Criterion(wanted.metric, wanted.comparator, wanted.threshold, wanted.bound, name))
    db = moment(NOW - timedelta(days=1)) if policy.database_max_age_days else ""
    subject = SUBJECTS.get(check, "model")
    names = [subject] if check in SUBJECTS else ["model", "data"]
    return replace(
        conclude(
            coverage=Coverage("rows", 500, 500),
            tools=[Tool("t", "1", db_updated=db)],
            metrics=metrics,
            criteria=criteria,
        ),
        parameters={p.name: policy.parameters.get(p.name, p.default) for p in load_step(check).params if p.is_setting},
        check=check,
        version=__version__,
        subject=(Subject(subject, inputs[subject]),),
        inputs=tuple(Input(name, name, inputs[name], 10) for name in names),
        execution={"finished": moment(NOW)},
        nonce="run-1",
    )


@pytest.fixture
def siege(house: House, tmp_path: Path, wardein: Callable[..., Ran]) -> Siege:
    """A release whose evidence is all in order."""
    model, data, image = (tmp_path / name for name in ("model.skops", "data.csv", "image.tar"))
    for path in (model, data, image):
        path.write_bytes(path.name.encode())
    inputs = {"model": digest_of(model), "data": digest_of(data), "image": digest_of(image)}
    inputs["artifact"] = inputs["model"]
    reports = {check: honest_report(check, house, inputs) for check in load(house.policy).required}
    folder = tmp_path / "evidence"
    folder.mkdir()
    return Siege(house, folder, reports, wardein, shown={"model": model, "data": data, "image": image})


@dataclass(frozen=True)
class Attack:
    """One way to be let through: what it does, the rule that stops it, and the step behind that rule."""

    name: str
    change: Callable[[Siege], None]
    rule: str
    step: str
    instead: Any = None

    def __str__(self) -> str:
        return self.name


def module_of(step: str) -> ModuleType:
    """Where a verification step lives."""
    modules = (admissibility, judgement, waivers, approvals, verification)
    return next(module for module in modules if getattr(module, step, None) is not None)


def assert_stopped_by_its_step(attack: Attack, siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate passes the honest release, denies the attack by its rule, and lets it through without its step."""
    assert siege.gate().code == 0
    attack.change(siege)
    denied = siege.gate()
    assert denied.code == 1, denied.out
    assert deny_rules(denied) == {attack.rule}
    summaries = [json.loads(line) for line in (siege.folder / "gate.jsonl").read_bytes().splitlines()]
    assert len(summaries) == 2
    monkeypatch.setattr(module_of(attack.step), attack.step, lambda *arguments: attack.instead)
    assert siege.gate().code == 0
