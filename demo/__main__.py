# SPDX-License-Identifier: Apache-2.0
"""The demo: an honest release through the whole pipeline, then three bad ones that the gate must stop.

Ends with 0 only if the honest one was promoted, and passes ``wardein assess``, every bad one was stopped, each for the
right reason, and a model and a repository that hide something were found out.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from tabulate import tabulate

from demo.manifest import write
from demo.repository import HOSTILE
from demo.repository import write as write_repository
from demo.world import ADVISORIES, World, make
from wardein import wire
from wardein.evidence.envelope import Envelope, read_claims
from wardein.evidence.statement import read
from wardein.report import Report
from wardein.spec import CHECKS

MARK = ".wardein-demo"
_STATUS = re.compile(r"Task \S*'([\w-]+)'\S* finished with status \S*?(SUCCESS|FAILURE)")


@dataclass(frozen=True)
class Run:
    """One run of the pipeline and what it left."""

    succeeded: bool
    folder: Path

    @property
    def checks(self) -> tuple[str, ...]:
        return tuple(check for check in CHECKS if self.evidence(check).exists())

    def evidence(self, step: str) -> Path:
        return self.folder / step.replace("_", "-") / "report"

    def report(self, step: str) -> Report:
        first = next(read_claims(self.evidence(step)))
        assert isinstance(first, Envelope), first
        statement = read(first.payload)
        return wire.from_json(statement.predicate, statement.subject)


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="the folder to make (or make anew)")
    folder = parser.parse_args().output.absolute()
    started = time.monotonic()
    world = make(_empty(folder))
    (folder / MARK).touch()

    say("1. An honest release, through the whole pipeline (KFP's local runner: no Docker, no network)")
    print(f"   The advisory database of this demo holds {len(ADVISORIES)} published advisories, made just now:")
    print("   it shows that the scan works, not that an image is safe. Point `database` at a real mirror for that.\n")
    honest = run_pipeline(world, "honest")
    print("\n" + table(honest))
    page = folder / "report.html"
    shutil.copyfile(honest.folder / "gate" / "summary", page)
    served = current(world)
    ok = [expect("promoted", honest.succeeded and served is not None, f"now served: sha256:{served}")]

    say("2. A bad release: the model is swapped after its evaluation")
    ok.append(stopped_swap(world, honest, served))

    say("3. A bad release: a run parameter loosens a threshold (max_demographic_parity_difference=0.9)")
    loosened = run_pipeline(world, "loosened", max_demographic_parity_difference=0.9)
    ok.append(stopped(loosened, "gate/loosened", "evaluate_fairness", served, world))

    say("4. A bad release: an unfair model, trained on prejudiced labels")
    unfair = run_pipeline(world, "unfair", train_data=str(folder / "prejudiced-train.csv"))
    ok.append(stopped(unfair, "gate/criterion", "evaluate_fairness", served, world))

    say("5. The honest release once more, without an orchestrator: wardein assess")
    ok.append(assessed(world, honest))

    say("6. A model file that runs a program when it is loaded")
    ok.append(looked_into(world, honest))

    say("7. A repository that switches its scanners off")
    ok.append(looked_at(world))

    print(f"\n{sum(ok)} of {len(ok)} as it should be, in {time.monotonic() - started:.0f} s")
    print(f"The report page of the honest release: {page}")
    return 0 if all(ok) else 1


def run_pipeline(world: World, run_id: str, **changed: object) -> Run:
    """Run ``pipelines/train_and_gate.py`` and show each task as it ends."""
    root, log = world.folder / "runs" / run_id, world.folder / "runs" / f"{run_id}.log"
    root.mkdir(parents=True)
    command = [sys.executable, "-m", "demo.pipeline", str(root), json.dumps(world.parameters(run_id, **changed))]
    with (
        open(log, "w") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path(__file__).parents[1]
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            ended = _STATUS.search(line)
            if ended and not ended[1].startswith("importer"):
                print(f"   {'ok    ' if ended[2] == 'SUCCESS' else 'failed'}  {ended[1]}", flush=True)
    found = [path for path in root.iterdir() if path.is_dir()]
    if len(found) != 1 or not (found[0] / "gate" / "report").is_file():
        raise SystemExit(f"the pipeline did not reach the gate; see {log}")
    return Run(process.returncode == 0, found[0])


def stopped_swap(world: World, honest: Run, served: str | None) -> bool:
    """Show the gate another model together with the honest one's evidence."""
    swapped = world.folder / "swapped" / "model"
    swapped.parent.mkdir()
    shutil.copyfile(honest.folder / "train" / "model", swapped)
    with open(swapped, "ab") as file:
        file.write(b"one byte more")
    evidence = world.folder / "swapped" / "gate.jsonl"
    command = [sys.executable, "-m", "wardein", "gate", "--model", str(swapped), "--data", str(world.test_data)]
    command += ["--reference", str(world.folder / "train.csv"), "--database", str(world.folder / "advisories")]
    command += ["--image", str(world.image), "--trust", str(world.trust), "--policy", str(world.policy)]
    command += ["--key", world.key("gate"), "--evidence", str(evidence), "--nonce", "honest"]
    for check in honest.checks:
        command += ["--claims", str(honest.evidence(check))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    print("   " + "\n   ".join(ended.stdout.splitlines()[:5]))
    right = ended.returncode == 1 and ended.stdout.count("gate/other-subject") == 7
    return expect("stopped", right and current(world) == served, "seven checks speak of another model")


def assessed(world: World, honest: Run) -> bool:
    """Run the checks and the gate from a manifest, as a continuous integration system would."""
    manifest = write(world, honest.folder / "train" / "model", honest.folder / "sign-artifact" / "signature")
    outputs = [f"--{kind}={world.folder / f'assess.{kind}'}" for kind in ("junit", "sarif", "markdown")]
    command = [sys.executable, "-m", "wardein", "assess", "--config", str(manifest), *outputs]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    print("   " + "\n   ".join(ended.stdout.splitlines()))
    return expect("passed", ended.returncode == 0, f"see {manifest}, and assess.junit, .sarif and .markdown beside it")


def looked_into(world: World, honest: Run) -> bool:
    """Scan a pickle of an honest model into which a call was slipped, and the honest model itself."""
    hostile = world.folder / "hostile.pkl"
    hostile.write_bytes(with_call(pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), protocol=4)))
    codes = []
    for model in (hostile, honest.folder / "train" / "model"):
        command = [sys.executable, "-m", "wardein", "scan-model", "--model", str(model)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        print("   " + "\n   ".join(ended.stdout.splitlines()[:4]))
        codes.append(ended.returncode)
    return expect("found", codes == [1, 0], "importlib.import_module is on no list of what only builds data")


def with_call(stream: bytes) -> bytes:
    """A pickle that imports a module of the attacker's choice, throws the result away, and is what it was."""
    call = b"\x8c\x09importlib\x8c\x0dimport_module\x93\x8c\x0bantigravity\x85R0"
    return pickle.PROTO + b"\x04" + call + stream[2:]


def looked_at(world: World) -> bool:
    """Scan a repository whose comments and ignore files tell scanners to look away: bare, then by wardein."""
    source = write_repository(world.folder / "hostile", HOSTILE)
    bandit = [str(Path(sys.executable).parent / "bandit"), "--quiet", "--recursive", "."]
    bare = subprocess.run(bandit, cwd=source, capture_output=True, text=True, check=False)
    print(f"   bandit --recursive .   ends with {bare.returncode}: it reads .bandit and '# nosec' first")
    scans = {"scan-code": [], "scan-secrets": [], "scan-config": []}
    scans["scan-dependencies"] = ["--database", str(world.folder / "advisories")]
    verdicts, claims = {}, []
    for scan, options in scans.items():
        evidence = world.folder / f"hostile-{scan}.jsonl"
        command = [sys.executable, "-m", "wardein", scan, "--source", str(source), "--evidence", str(evidence)]
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        print("   " + "\n   ".join(ended.stdout.splitlines()[:4]))
        verdicts[scan], claims = ended.returncode, [*claims, "--claims", str(evidence)]
    page = world.folder / "repository.html"
    command = [sys.executable, "-m", "wardein", "summarize", "--source", str(source), *claims, "--html", str(page)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    print("   " + "\n   ".join(ended.stdout.splitlines()[:4]))
    right = bare.returncode == 0 and ended.returncode == 1
    right = right and verdicts == {"scan-code": 1, "scan-secrets": 1, "scan-config": 1, "scan-dependencies": 0}
    return expect("found", right, f"what was to be hidden is found; all on one page: {page}")


def stopped(run: Run, rule: str, check: str, served: str | None, world: World) -> bool:
    """Whether the gate denied a run by this rule, and what is served is what was served before."""
    report = run.report("gate")
    reasons = [f for f in report.findings if f.fails]
    for finding in reasons:
        print(f"   {finding.rule}  {finding.location}: {finding.message}")
    right = not run.succeeded and any((f.rule, f.location) == (rule, check) for f in reasons)
    right = right and all(f.location == check for f in reasons)
    return expect("stopped", right and current(world) == served, f"{rule} on {check}")


def table(run: Run) -> str:
    """The verdicts of a run."""
    rows = []
    for step in (*run.checks, "gate"):
        report = run.report(step)
        examined = f"{report.coverage.examined} of {report.coverage.expected} {report.coverage.unit}"
        criteria = f"{sum(bool(c.met) for c in report.criteria)} of {len(report.criteria)}" if report.criteria else ""
        rows.append([step, str(report.verdict), examined, criteria, wire.core_sha256(report)[:16]])
    return tabulate(rows, headers=["step", "verdict", "examined", "criteria met", "verdict core"])


def current(world: World) -> str | None:
    """The digest of the model that is served now."""
    link = world.store / "current"
    return link.readlink().name if link.is_symlink() else None


def expect(what: str, right: bool, why: str) -> bool:
    """Say whether it went as it should."""
    print(f"\n   {'AS IT SHOULD BE' if right else 'WRONG'}: {what}, {why}")
    return right


def say(text: str) -> None:
    """A heading."""
    print(f"\n== {text}\n", flush=True)


def _empty(folder: Path) -> Path:
    """The folder, with what an earlier demo left in it removed; anybody else's files are left alone."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise SystemExit(f"{folder} exists and was not made by this demo; name another with --output")
        shutil.rmtree(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
