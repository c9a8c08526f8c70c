# SPDX-License-Identifier: Apache-2.0
"""The run of a manifest: its checks one after the other, then the gate over everything that they left."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardein import execute
from wardein.assess.manifest import Manifest
from wardein.assess.reuse import Now, earlier
from wardein.errors import UsageError, WardeinError
from wardein.evidence import trust as trust_root
from wardein.evidence.keys import signer_for
from wardein.policy.load import load as load_policy
from wardein.policy.policy import Policy
from wardein.report import Report, Verdict
from wardein.spec import Step, load

LOCK = ".lock"


@dataclass(frozen=True)
class Ended:
    """A step that ended, or one whose earlier evidence still holds."""

    report: Report
    seconds: float
    reused: bool = False


@dataclass(frozen=True)
class Assessment:
    """How the checks ended, and what the gate made of them."""

    checks: tuple[Ended, ...]
    gate: Ended

    @property
    def reports(self) -> list[Report]:
        """Every report, the gate's last."""
        return [ended.report for ended in (*self.checks, self.gate)]

    @property
    def waived(self) -> dict[str, str]:
        """The findings that the gate let a waiver lift, by their fingerprint, with the waiver's justification."""
        waivers = [w for statement in self.gate.report.attestations for w in statement.predicate.get("waivers", ())]
        return {print_: w["justification"] for w in waivers for print_ in w.get("fingerprints", ())}

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict; ERROR if any step ended in it, for then not everything was examined."""
        errors = [report for report in self.reports if report.verdict is Verdict.ERROR]
        return Verdict.ERROR if errors else self.gate.report.verdict


@dataclass(frozen=True)
class Assess:
    """One run of a manifest.

    Attributes:
        tell: Takes the lines of progress.
        run_id: Binds the evidence and the decision to one run; evidence of another run is not reused.
        fresh: Whether to run every check, also those whose evidence still holds.
        html: Where to write the gate's page; None for nowhere.
    """

    manifest: Manifest
    tell: Callable[[str], None]
    run_id: str = ""
    fresh: bool = False
    html: Path | None = None

    def run(self) -> Assessment:
        """Run what has to be run.

        Raises:
            WardeinError: If the manifest does not fit the steps, a key or the trust root cannot be opened, another run
                writes to the same folder, or the run was told to stop: nothing was decided then.
        """
        artifacts = self.manifest.artifacts
        trust = trust_root.load(artifacts["trust"])
        policy = load_policy(artifacts["policy"], trust.environment, self.manifest.tier)
        gate = load("gate")
        plan = [(step, self.manifest.arguments(step, policy)) for step in map(load, self.manifest.names(policy))]
        shown = self.manifest.arguments(gate, policy)
        key, gate_key = self.manifest.key("check"), self.manifest.key("gate")
        now = Now(signer_for(key).public_key.keyid, trust, policy, self.run_id)
        signer_for(gate_key)
        self._check_present(plan)
        with _alone(self.manifest.evidence, artifacts):
            checks = []
            for number, (step, arguments) in enumerate(plan, 1):
                self.tell(f"[{number}/{len(plan)}] {step.name} …")
                ended = self._check(step, arguments, key, now)
                how = "reused" if ended.reused else f"{ended.report.verdict} in {ended.seconds:.1f} s"
                self.tell(f"[{number}/{len(plan)}] {step.name}: {how}")
                checks.append(ended)
            claims = [*(self.evidence(step) for step, _ in plan), *self.manifest.claims]
            self.tell("gate …")
            ended = self._run(gate, {**shown, "claims": claims}, gate_key, html=self.html)
            self.tell(f"gate: {ended.report.verdict} in {ended.seconds:.1f} s")
        return Assessment(tuple(checks), ended)

    def _check_present(self, plan: Sequence[tuple[Step, Mapping[str, Any]]]) -> None:
        """Find out before hours of work, not after, that a file is missing."""
        read = {(p.name, given[p.name]) for step, given in plan for p in step.params if p.artifact and p.name in given}
        named = sorted((name, path) for name, path in read if isinstance(path, Path))
        if any(step.name == "verify_artifact" and not {"signature", "vsa"} & set(given) for step, given in plan):
            mend = "add 'signature: FILE', which sign-artifact wrote"
            raise UsageError("verify_artifact needs a signature", where=self.manifest.file.name, mend=mend)
        for name, path in [*named, *(("claims", path) for path in self.manifest.claims)]:
            if not path.exists():
                raise UsageError(
                    f"{path} does not exist", where=f"{self.manifest.file.name}: {name}", mend="check the path"
                )

    def evidence(self, step: Step) -> Path:
        """Where the evidence of a step lies."""
        return self.manifest.evidence / f"{step.name}.jsonl"

    def _check(self, step: Step, arguments: Mapping[str, Any], key: str, now: Now) -> Ended:
        if not self.fresh:
            started = time.monotonic()
            report, why = earlier(step, arguments, self.evidence(step), now)
            if report is not None:
                return Ended(report, time.monotonic() - started, reused=True)
            if why:
                self.tell(f"      run again: {why}")
        if self.evidence(step).exists() or self.evidence(step).is_symlink():
            # It may be anything by now, and a step replaces nothing but its own evidence.
            os.replace(self.evidence(step), self.evidence(step).with_suffix(".stale"))
        return self._run(step, arguments, key, now.policy)

    def _run(
        self, step: Step, arguments: Mapping[str, Any], key: str, policy: Policy | None = None, html: Path | None = None
    ) -> Ended:
        started = time.monotonic()
        options = execute.Options(
            evidence=self.evidence(step),
            html=html,
            key=key,
            policy=self.manifest.artifacts["policy"] if policy else None,
            environment=policy.environment if policy else "",
            tier=policy.tier if policy else "",
            run_id=self.run_id,
        )
        report = execute.run(step, arguments, options)
        if report.verdict is Verdict.ERROR and report.reason.startswith(execute.STOPPED):
            raise WardeinError(f"{step.name} {report.reason}", mend="run it again to go on from there")
        return Ended(report, time.monotonic() - started)


@contextmanager
def _alone(folder: Path, artifacts: Mapping[str, Any]) -> Iterator[None]:
    """Hold the evidence folder, so that no two runs mix their evidence in it."""
    for name, path in artifacts.items():
        if Path(path) in (folder, *folder.parents):
            mend = "name a folder beside it under 'evidence'"
            raise UsageError(f"lies inside what {name!r} names", where=str(folder), mend=mend)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        mend = "name a folder that can be written to under 'evidence'"
        raise UsageError(f"cannot be written to ({error.strerror})", where=str(folder), mend=mend) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mend = "wait for it, or name another folder under 'evidence'"
            raise UsageError("another assess is writing to it", where=str(folder), mend=mend) from None
        yield
    finally:
        os.close(descriptor)
