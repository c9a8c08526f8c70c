# SPDX-License-Identifier: Apache-2.0
"""Take away the gate's guards, one at a time, and see whether a test goes red; write docs/mutation.md.

``tools/guards.py`` says what a guard is and how it is weakened. First every test runs once over guards with probes,
which tells which tests can see a weakening at all. Then each weakening is made in a copy of the checkout, and those
tests run until one fails: that kills it. What no test kills is a survivor, and ``tools/mutation.toml`` says of each why
that is so. A survivor without a reason, and a reason without a survivor, make this program exit 1.

A result is kept in the folder ``--work`` for as long as the guarded file and the test that killed it stay the same.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from guards import PROBES, Mutant, key, mutants_of, probed, weakened

ROOT = Path(__file__).parents[1]
PACKAGE = Path("components/wardein")
REASONS, PAGE = ROOT / "tools" / "mutation.toml", ROOT / "docs" / "mutation.md"


def _files(**folders: str) -> tuple[str, ...]:
    return tuple(f"{folder.replace('_', '/')}/{name}.py" for folder, names in folders.items() for name in names.split())


GUARDED = (
    *_files(release="admissibility judgement approvals waivers verification promote store audit checkpoint journal"),
    *_files(evidence="trust claims envelope statement summaries model_signing openpgp", release="approve"),
    *_files(policy="load reading compare rego rego_lint rego_document", checks="verify_artifact"),
    *("execute.py", "outputs.py", "jsontext.py", "release/registry.py", "release/reconciliation.py"),
)
# Two lots that take about as long as each other, one for each process.
TESTS = (
    (
        *_files(tests_attacks="test_admissibility test_algorithms test_approvals test_audit test_judgement"),
        *_files(tests_attacks="test_parsing test_policy test_promote test_rego test_signatures test_waivers"),
        *_files(tests_release="test_audit test_keys test_signing"),
    ),
    (
        *_files(tests_attacks="test_hostile_names test_outputs", tests_conformance="test_bad_input", tests="test_cli"),
        *_files(tests_machinery="test_execute test_jsontext test_policy test_policy_command test_policy_compare"),
        *_files(tests_machinery="test_policy_packs test_rego test_report test_subject", tests_release="test_mlflow"),
    ),
)
# What a survivor can be, as its reason in tools/mutation.toml begins.
KINDS = ("equivalent", "in depth", "by hand", "needs a test")
OPEN = KINDS[-1]
HEAD = """# Mutation of the gate's guards

Written by `tools/mutate.py`; do not edit. It takes the guards of the files below away, one at a time, and runs the
tests that can see it: each guard's condition, each operand of it, each verification step, each entry of what has to
match, each list of reasons, each call to what checks. `tools/guards.py` says which mutants are made. Others, as of
numbers, texts and arithmetic, are not. A mutant is *killed* if a test goes red; a syntax error does not count.

What survives is listed with its reason, of one of these kinds:

- *equivalent*: nobody can tell the difference, by any input.
- *in depth*: another guard, which is named, stops the same; its own mutant is killed.
- *by hand*: it matters and no test here can tell it: a race, a machine, a version of a library.
- *needs a test*: nothing excuses it.

`make mutation` runs it anew (about half an hour on two cores), or:

```
PYTHONHASHSEED=0 python tools/mutate.py --work build/mutation            # resumes, as long as files are unchanged
PYTHONHASHSEED=0 python tools/mutate.py --work build/mutation --only release/promote.py
python tools/mutate.py --work build/mutation --show                      # the mutants
```

It exits 1 if a survivor has no reason in `tools/mutation.toml`, or a reason has no survivor.

## Figures
"""
# Imported once; every mutant's process is forked from there. What is under test is not among them.
PRELOADED = (
    *("pytest", "hypothesis", "yaml", "jsonschema", "packaging.specifiers", "securesystemslib.signer", "_strptime"),
    *("pandas", "pyarrow", "skops.io", "sklearn.linear_model", "sklearn.pipeline", "anyio"),
)


@dataclass(frozen=True)
class Job:
    """A mutant of a file, and the tests that can see it: those named like the file first, the quickest first."""

    file: str
    mutant: Mutant
    tests: tuple[str, ...]


@dataclass
class Result:
    """What became of a mutant: ``killed``, ``survived``, ``unseen`` (no test can see it), ``broken`` or ``late``."""

    file: str
    name: str
    state: str
    by: str = ""
    tests: int = 0
    holds: str = ""


@dataclass(eq=False)  # pytest puts its plugins into a set
class _Timing:
    """A pytest plugin: which tests run, how long each takes, and the first that fails."""

    started: Path
    wanted: Sequence[str]
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failed: list[str] = field(default_factory=list)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.wanted:
            order = {name: number for number, name in enumerate(self.wanted)}
            items[:] = sorted((i for i in items if _plain(i.nodeid) in order), key=lambda i: order[_plain(i.nodeid)])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.started.write_text(_plain(nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[_plain(report.nodeid)] += report.duration
        if report.failed:
            self.failed.append(_plain(report.nodeid))


def _plain(nodeid: str) -> str:
    """As pytest writes a test's name to its environment."""
    return nodeid.replace("\x00", "(null)")


class Tree:
    """A copy of the checkout that one process works in."""

    def __init__(self, work: Path, number: int) -> None:
        self.folder, self.work, self.number = work / f"tree-{number}", work, number

    def make(self) -> None:
        """Copy what git knows or would add."""
        shutil.rmtree(self.folder, ignore_errors=True)
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)

    def write(self, file: str, text: str) -> None:
        """Change one module; what Python compiled of it before is gone."""
        path = self.folder / PACKAGE / file
        path.write_text(text, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def run(self, files: Sequence[str], wanted: Sequence[str], limit: float, *options: str) -> dict[str, Any]:
        """Run tests in a process of their own; what became of them, or nothing if they took too long."""
        told, started = self.work / f"told-{self.number}.json", self.work / f"started-{self.number}"
        told.unlink(missing_ok=True)
        started.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            os.setsid()
            with contextlib.suppress(BaseException):
                self._in_child(told, started, files, wanted, options)
            os._exit(0)
        end = time.monotonic() + limit
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return self._late(started, limit)
            time.sleep(0.02)
        return dict(json.loads(told.read_text())) if told.exists() else {"code": 3}

    def _late(self, started: Path, limit: float) -> dict[str, Any]:
        """A test that took most of the time by itself hangs, and that is a failure; else there were too many."""
        hangs = started.exists() and time.time() - started.stat().st_mtime > limit / 2
        return {"code": 1, "failed": [started.read_text()]} if hangs else {}

    def _in_child(
        self, told: Path, started: Path, files: Sequence[str], wanted: Sequence[str], options: Sequence[str]
    ) -> None:
        os.chdir(self.folder)
        shutil.rmtree(".hypothesis", ignore_errors=True)
        places = [str(self.folder / "components"), str(self.folder)]
        sys.path[:0] = places
        os.environ |= {"PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        log = os.open(self.work / f"log-{self.number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        import pytest

        timing = _Timing(started, wanted)
        fixed = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
        code = pytest.main([*fixed, f"--basetemp={self.work}/tmp-{self.number}", *options, *files], plugins=[timing])
        wardein = importlib.import_module("wardein")
        assert str(wardein.__file__).startswith(str(self.folder)), "another checkout was tested"
        told.write_text(json.dumps({"code": int(code), "failed": timing.failed, "seconds": timing.seconds}))


def main() -> int:
    """Find, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for copies and results; may be one of before")
    parser.add_argument("--only", nargs="*", default=(), help="guarded files to look at, like release/gate.py; no page")
    parser.add_argument("--seconds", type=float, default=60, help="for one mutant; give more if some are late")
    parser.add_argument("--show", action="store_true", help="print the mutants, and run nothing")
    asked = parser.parse_args()
    sources = {file: (ROOT / PACKAGE / file).read_text(encoding="utf-8") for file in asked.only or GUARDED}
    found = {file: mutants_of(source) for file, source in sources.items()}
    for file, mutants in found.items():
        for mutant in mutants:
            compile(weakened(sources[file], mutant), file, "exec")
            if asked.show:
                print(f"{file}: {mutant.name}")
    if asked.show:
        return 0
    work: Path = asked.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    for module in PRELOADED:
        importlib.import_module(module)
    reach, seconds = _reach(work)
    results = _run(
        work,
        [_job(file, m, reach, seconds) for file, mutants in found.items() for m in mutants],
        sources,
        asked.seconds,
    )
    if asked.only:
        print("\n".join(f"{r.file}: {r.name}: {r.state}" for r in results if r.state != "killed"))
        return 0
    page, unexplained = _page(results, tomllib.loads(REASONS.read_text(encoding="utf-8")))
    PAGE.write_text(page, encoding="utf-8")
    print("\n".join(unexplained) or f"{PAGE.relative_to(ROOT)} is written; every survivor has its reason")
    return 1 if unexplained else 0


def _reach(work: Path) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Which tests each probe was seen by, and how long every test takes."""
    digest, kept = _digest_of_checkout(), work / "reach.json"
    if kept.exists() and (had := json.loads(kept.read_text()))["digest"] == digest:
        return had["reach"], had["seconds"]
    print("every test once, with probes", file=sys.stderr)
    with multiprocessing.get_context("fork").Pool(len(TESTS)) as pool:
        parts = pool.starmap(_probe, [(work, number) for number in range(len(TESTS))])
    reach: dict[str, list[str]] = defaultdict(list)
    seconds: dict[str, float] = {}
    for told, noted in parts:
        if told.get("code") != 0:
            raise SystemExit(f"tests fail before anything is changed, or take too long: {told.get('failed')}")
        seconds |= told["seconds"]
        for name, test in noted:
            reach[name].append(test)
    kept.write_text(json.dumps({"digest": digest, "reach": reach, "seconds": seconds}))
    return reach, seconds


def _probe(work: Path, number: int) -> tuple[dict[str, Any], list[list[str]]]:
    tree, log = Tree(work, number), work / f"reached-{number}"
    tree.make()
    shutil.copyfile(ROOT / "tools" / f"{PROBES}.py", tree.folder / "components" / f"{PROBES}.py")
    sources = {file: (tree.folder / PACKAGE / file).read_text(encoding="utf-8") for file in GUARDED}
    for file, source in sources.items():
        tree.write(file, probed(source, mutants_of(source), file))
    log.write_text("")
    os.environ["WARDEIN_REACHED"] = str(log)
    try:
        told = tree.run(TESTS[number], (), 1800)
    finally:
        for file, source in sources.items():
            tree.write(file, source)
    # By lines that were written whole: a test's child process that was killed may have left half a line.
    return told, [line.split("\t", 1) for line in log.read_text().splitlines() if "\t" in line]


def _job(file: str, mutant: Mutant, reach: dict[str, list[str]], seconds: dict[str, float]) -> Job:
    probe = key(file, mutant.watched, mutant.probe)
    seen = {test for sign in mutant.seen for test in reach.get(probe + sign, [])}
    stem = f"/test_{Path(file).stem}.py"
    return Job(file, mutant, tuple(sorted(seen & set(seconds), key=lambda t: (stem not in t, seconds[t], t))))


def _run(work: Path, jobs: list[Job], sources: dict[str, str], seconds: float) -> list[Result]:
    kept, done = work / "results.jsonl", {}
    for line in kept.read_text().splitlines() if kept.exists() else ():
        result = Result(**json.loads(line))
        done[result.file, result.name] = result
    left = []
    for job in jobs:
        had = done.get((job.file, job.mutant.name))
        if had is None or had.state == "late" or had.holds != _holds(sources[job.file], job, had.by):
            done.pop((job.file, job.mutant.name), None)
            left.append(job)
    context = multiprocessing.get_context("fork")
    numbers = context.Queue()
    for number in range(len(TESTS)):
        numbers.put(number)
    with context.Pool(len(TESTS), _settle, (work, numbers)) as pool, kept.open("a") as file:
        for count, result in enumerate(pool.imap_unordered(partial(_try, seconds), left), 1):
            done[result.file, result.name] = result
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            print(f"{count}/{len(left)} {result.state:8} {result.file}: {result.name}", file=sys.stderr, flush=True)
    return [done[job.file, job.mutant.name] for job in jobs]


_tree: list[Tree] = []


def _settle(work: Path, numbers: Any) -> None:
    """Give a process of the pool its own copy of the checkout."""
    tree = Tree(work, numbers.get())
    tree.make()
    _tree[:] = [tree]


def _try(seconds: float, job: Job) -> Result:
    tree, source = _tree[0], (_tree[0].folder / PACKAGE / job.file).read_text(encoding="utf-8")
    result = Result(job.file, job.mutant.name, "unseen", tests=len(job.tests))
    if job.tests:
        tree.write(job.file, weakened(source, job.mutant))
        try:
            files = list(dict.fromkeys(test.partition("::")[0] for test in job.tests))
            told = tree.run(files, job.tests, seconds, "-x")
        finally:
            tree.write(job.file, source)
        states = {0: "survived", 1: "killed"}
        result.state = states.get(told["code"], "broken") if told else "late"
        result.by = told["failed"][0] if result.state == "killed" else ""
    result.holds = _holds(source, job, result.by)
    return result


def _holds(source: str, job: Job, by: str) -> str:
    """What a result depends on: the guarded file, and the test that killed, or all that could not."""
    parts = [part for test in ([by] if by else job.tests) for part in (test, _source_of(test.partition("[")[0]))]
    return hashlib.sha256("\0".join([source, *parts]).encode()).hexdigest()


@cache
def _source_of(test: str) -> str:
    """The function of a test, without what parametrizes it; empty if it is gone."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8")) if (ROOT / file).exists() else ast.Module([], [])
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    return "\n".join(ast.unparse(ast.Module(node.body, [])) for node in found)


def _digest_of_checkout() -> str:
    digest = hashlib.sha256()
    found = [path for folder in ("components", "tests") for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([*found, ROOT / "tools" / "guards.py"]):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _page(results: Sequence[Result], reasons: dict[str, dict[str, str]]) -> tuple[str, list[str]]:
    """The report, and what is left to do before every survivor has its reason and every reason its survivor."""
    left = [r for r in results if r.state != "killed"]
    unexplained = [f"no reason: {r.file}: {r.name} ({r.state})" for r in left if r.name not in reasons.get(r.file, {})]
    standing = {(r.file, r.name) for r in left}
    told = [(file, name) for file, listed in reasons.items() for name in listed]
    unexplained += [f"a reason, but no survivor: {file}: {name}" for file, name in told if (file, name) not in standing]
    rows: list[list[Any]] = []
    lists: list[str] = []
    for file in dict.fromkeys(result.file for result in results):
        here = [result for result in results if result.file == file]
        why = {r.name: reasons.get(file, {}).get(r.name, f"{OPEN}: {r.state}") for r in here if r.state != "killed"}
        counts = [sum(reason.startswith(kind) for reason in why.values()) for kind in KINDS]
        rows.append([f"`{file}`", len({r.name for r in here}), len(here) - len(why), *counts])
        if why:
            lists += [f"### {file}", "", *(f"- `{name}`: {reason}" for name, reason in sorted(why.items())), ""]
    rows.append(["all", *(sum(row[column] for row in rows) for column in range(1, len(KINDS) + 3))])
    heads = ["guarded file", "mutants", "killed", *KINDS]
    table = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in table]
    return "\n".join([*HEAD.splitlines(), *lines, "", "## Survivors", "", *lists]).rstrip() + "\n", unexplained


if __name__ == "__main__":
    sys.exit(main())
