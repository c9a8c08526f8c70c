# SPDX-License-Identifier: Apache-2.0
"""The checks and the gate that a manifest lists."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wardein.errors import UsageError, printable
from wardein.report import Report, Verdict

if TYPE_CHECKING:
    from wardein.assess.manifest import Manifest
    from wardein.assess.run import Assessment

_OUTPUTS = ("html", "sarif", "junit", "markdown")


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Assess what the manifest names, and write what the options ask for."""
    parser.add_argument(
        "--config", type=Path, default=Path("wardein.yaml"), metavar="FILE", help="the manifest (default: wardein.yaml)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the gate's page here")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write all results here as SARIF 2.1.0")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write all results here as JUnit XML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary here, for a job's summary page")
    parser.add_argument("--fresh", action="store_true", help="run every check, also those whose evidence still holds")
    parser.add_argument("--run-id", default="", metavar="ID", help="bind the evidence and the decision to one run")
    parser.add_argument("--json", action="store_true", help="print every report as one JSON document")
    options = parser.parse_args(argv)
    return assess(
        options.config,
        {name: path for name in _OUTPUTS if (path := getattr(options, name)) is not None},
        run_id=options.run_id,
        fresh=options.fresh,
        as_json=options.json,
    )


def assess(config: Path, outputs: dict[str, Path], *, run_id: str, fresh: bool, as_json: bool) -> int:
    """Run a manifest, print what came of it, and return the exit code: 2 if any step ended in ERROR, else the gate's.

    Args:
        config: The manifest.
        outputs: Where to write ``html``, ``sarif``, ``junit`` and ``markdown``.
        run_id: Binds the evidence to one run.
        fresh: Whether to run every check.
        as_json: Whether to print JSON.

    Raises:
        WardeinError: If the run cannot start, or an output cannot be written.
    """
    from wardein import files
    from wardein.assess.manifest import load
    from wardein.assess.run import Assess
    from wardein.export import junit, markdown, sarif

    manifest = load(config)
    _check_outputs(manifest, outputs)
    assessment = Assess(manifest, _tell, run_id, fresh, outputs.get("html")).run()
    reports = assessment.reports
    if "sarif" in outputs:
        log = sarif.log(reports, config.name, assessment.waived, _source(manifest))
        files.write_whole(outputs["sarif"], log.encode())
    if "junit" in outputs:
        files.write_whole(outputs["junit"], junit.render(reports).encode())
    if "markdown" in outputs:
        files.write_whole(outputs["markdown"], markdown.render(reports).encode())
    print(_as_json(assessment) if as_json else _table(assessment))
    for report in reports:
        if report.verdict is Verdict.ERROR:
            print(f"wardein: {report.check}: {report.reason}", file=sys.stderr)
    return {Verdict.ERROR: 2, Verdict.FAIL: 1}.get(assessment.verdict, 0)


def _source(manifest: Manifest) -> str | None:
    """Where the source folder lies, seen from the manifest's; None if it is none, or lies elsewhere."""
    folder, source = manifest.file.parent, manifest.artifacts.get("source")
    if source is None or not Path(source).is_relative_to(folder):
        return None
    return Path(source).relative_to(folder).as_posix().removeprefix(".")


def _check_outputs(manifest: Manifest, outputs: dict[str, Path]) -> None:
    """No output may take the place of anything that the run reads, or of another output."""
    from wardein import files
    from wardein.html import page

    taken = {manifest.file.resolve(): "--config", manifest.evidence.resolve(): "evidence"}
    taken |= {Path(path).resolve(): name for name, path in manifest.artifacts.items()}
    taken |= {path.resolve(): "claims" for path in manifest.claims}
    keys = {role: uri for role, uri in manifest.keys.items() if uri.startswith("file:")}
    taken |= {Path(uri.removeprefix("file:")).resolve(): f"keys.{role}" for role, uri in keys.items()}
    # A check may write a file of its own, for example a suite: that is an output like the others.
    for name, path in {**_written_by_checks(manifest), **outputs}.items():
        files.check_writable(path)
        target = path.resolve()
        clash = next((other for item, other in taken.items() if item in (target, *target.parents)), "")
        if clash:
            mend = "name another file, beside it"
            raise UsageError(f"would overwrite, or lie inside, what {clash!r} names", where=f"--{name}", mend=mend)
        taken[target] = f"--{name}"
    if "html" in outputs:
        page.check_installed()


def _written_by_checks(manifest: Manifest) -> dict[str, Path]:
    from wardein.spec import load as load_step

    found: dict[str, Path] = {}
    for check, own in (manifest.checks or {}).items():
        named = [param.name for param in load_step(check).params if param.output and own.get(param.name)]
        found |= {f"checks.{check}.{name}": manifest.file.parent / str(own[name]) for name in named}
    return found


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def _table(assessment: Assessment) -> str:
    """The steps for a person at a terminal, and then the gate's own words."""
    from wardein import wire
    from wardein.cli import summary

    rows = [("step", "verdict", "examined", "criteria", "seconds", "verdict core")]
    for ended in (*assessment.checks, assessment.gate):
        report = ended.report
        seconds = "reused" if ended.reused else f"{ended.seconds:.1f}"
        rows.append(
            (
                report.check,
                str(report.verdict),
                _examined(report),
                _criteria(report),
                seconds,
                wire.core_sha256(report)[:16],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*map(printable, lines), "", summary(assessment.gate.report)])


def _examined(report: Report) -> str:
    return f"{report.coverage.examined} of {report.coverage.expected} {report.coverage.unit}"


def _criteria(report: Report) -> str:
    return f"{sum(bool(c.met) for c in report.criteria)} of {len(report.criteria)}" if report.criteria else ""


def _as_json(assessment: Assessment) -> str:
    from wardein import wire

    steps = [
        {"reused": ended.reused, "core": wire.core_sha256(ended.report), "report": wire.to_json(ended.report)}
        for ended in (*assessment.checks, assessment.gate)
    ]
    return json.dumps({"verdict": str(assessment.verdict), "steps": steps}, indent=2, ensure_ascii=False)
