# SPDX-License-Identifier: Apache-2.0
"""The command line, derived from the steps' signatures. Exit codes: 0 passed, 1 failed, 2 could not look, or misuse."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from wardein import __version__
from wardein.errors import UsageError, WardeinError, is_text, printable
from wardein.report import Report, Verdict, interval_text
from wardein.spec import STEPS, Param, Step, load

EXIT_PASSED, EXIT_FAILED, EXIT_ERROR = 0, 1, 2
COMMANDS = {
    "list": "List every step; with --json, its parameters as well.",
    "init": "Make keys, a trust root and a baseline policy for trying out.",
    "show": "Show any evidence file in readable form.",
    "audit": "Verify, show or sign the audit log.",
    "policy": "Explain a policy, test it with cases, compare two, or list the controls that it covers.",
    "waive": "Ask for a waiver of one finding, signed by whoever owns it; somebody else countersigns.",
    "countersign": "Add a second identity's signature to a waiver.",
    "reconcile": "List aliases of a model registry that moved without a verified decision.",
    "fetch-database": "Fetch a vulnerability database out of a registry, by its digest.",
    "hook": "What pre-commit runs on changed files: look for secrets, or for unsafe code.",
    "assess": "Run the checks and the gate that wardein.yaml lists, for people without an orchestrator.",
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **more: Any) -> None:
        # An option that is one letter short is a mistake, not another spelling.
        super().__init__(allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, mend=f"see: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not all(map(is_text, arguments)):
            raise UsageError("an argument is not UTF-8", mend="rename the file, or set the locale to UTF-8")
        if arguments and not arguments[0].startswith("-"):
            return _command(arguments[0], arguments[1:])
        overview().parse_args(arguments)
        raise UsageError("no step is named", mend="see: wardein --help")
    except WardeinError as error:
        print(f"wardein: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_ERROR
    except OSError as error:
        print(f"wardein: {printable(str(error.filename or '')[:200])}: {error.strerror}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("wardein: interrupted", file=sys.stderr)
        return EXIT_ERROR


def run_step(name: str, argv: Sequence[str]) -> int:
    """Parse a step's options, run it, print the result, and return the exit code."""
    from wardein.execute import KEY_VARIABLE, Options, run

    step = load(name)
    options = vars(step_parser(step).parse_args(list(argv)))
    as_json, exit_zero = options.pop("json"), options.pop("exit_zero")
    values = {p.name: value for p in step.params if (value := parse_value(p, options.pop(p.name))) is not None}
    if step.has("policy"):
        options["policy"] = None
    report = run(step, values, Options(**options))
    if as_json:
        from wardein import wire

        print(_escaped(json.dumps(wire.to_json(report), indent=2, ensure_ascii=False)))
    else:
        print(summary(report))
    if (
        report.verdict is not Verdict.ERROR
        and options["evidence"]
        and not (options["key"] or os.environ.get(KEY_VARIABLE))
    ):
        print("wardein: the evidence is not signed, and no gate will count it; give --key", file=sys.stderr)
    if step.name == "approve" and report.passed and not options["evidence"]:
        print("wardein: nothing is approved yet: give --evidence FILE and --key URI", file=sys.stderr)
    if report.verdict is Verdict.ERROR:
        print(f"wardein: {step.command}: {report.reason}", file=sys.stderr)
    return exit_code(report, exit_zero=exit_zero)


def _escaped(text: str) -> str:
    """JSON in which no character is anything but visible: those that turn or hide text are written as escapes."""
    if text.isascii():
        return text  # json has escaped the control characters
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def exit_code(report: Report, *, exit_zero: bool = False) -> int:
    """0 PASS or NOT_APPLICABLE, 1 FAIL (0 if a gate will decide), 2 ERROR."""
    if report.verdict is Verdict.ERROR:
        return EXIT_ERROR
    return EXIT_PASSED if report.passed or exit_zero else EXIT_FAILED


def summary(report: Report, findings: Sequence[str] | None = None) -> str:
    """The result for a person at a terminal.

    Args:
        report: The result.
        findings: The lines that stand for its findings; None for the worst ten.
    """
    from wardein import wire

    lines = [f"{report.verdict}  {report.check}  {report.reason}"]
    asked = {(c.metric, c.slice) for c in report.criteria}
    headline = [m for m in report.metrics if not m.slice or m.direction != "none" or (m.name, m.slice) in asked]
    # That there is nothing of a severity goes without saying.
    headline = [m for m in headline if m.value or m.unit != "count" or (m.name, m.slice) in asked]
    headline.sort(key=lambda m: ((m.name, m.slice) not in asked, m.direction == "none", bool(m.slice)))
    lines += [f"  measured {m.label}: {interval_text(m)}" for m in headline[:12]]
    lines += [f"  not met  {c.label}: {c.note} (asked by the {c.source})" for c in report.criteria if not c.met]
    lines += _worst(report) if findings is None else findings
    lines.append(f"  core     sha256:{wire.core_sha256(report)}")
    return "\n".join(map(printable, lines))


def _worst(report: Report) -> list[str]:
    found = sorted(report.findings, key=lambda f: (not f.fails, f.rule == "gate/counted", f.severity.rank))
    # What was lifted, waived or not counted is never lost among the rest.
    shown = [
        f for n, f in enumerate(found) if n < 10 or f.rule.startswith(("waiver/", "approval/", "gate/break-glass"))
    ]
    lines = [
        f"  {f.severity:<8} {f.rule}  {f.place + '  ' if f.place else ''}"
        f"{'(known: baseline) ' if f.suppressed else ''}{f.message}"
        for f in shown
    ]
    if len(report.findings) > len(shown):
        lines.append(f"  … and {len(report.findings) - len(shown)} more findings; --json lists all")
    return lines


def step_parser(step: Step) -> argparse.ArgumentParser:
    """The parser of one step: its own parameters, then the options that every step has."""
    parser = _Parser(
        prog=f"wardein {step.command}",
        description=f"{step.summary}\n\n{step.description}".strip(),
        formatter_class=_help_format(),
    )
    own = parser.add_argument_group("parameters")
    for param in step.params:
        default = (
            "" if param.required or param.default in (None, "", [], {}) else f" (default: {_shown(param.default)})"
        )
        several = param.type.startswith(("paths", "list", "dict"))
        own.add_argument(
            param.flag,
            dest=param.name,
            action="extend" if several else "append",
            nargs="+" if several else None,
            required=param.required,
            metavar=_metavar(param),
            help=_escape(param.doc + default),
        )
    common = parser.add_argument_group("options of every step")
    common.add_argument(
        "--evidence", type=Path, metavar="FILE", help="write the signed statement here, in every case but misuse"
    )
    common.add_argument("--html", type=Path, metavar="FILE", help="write a self-contained page with pictures here")
    common.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF 2.1.0 here")
    common.add_argument("--junit", type=Path, metavar="FILE", help="write the result as JUnit XML here")
    common.add_argument(
        "--cyclonedx", type=Path, metavar="FILE", help="write the findings on packages as CycloneDX 1.6 here"
    )
    common.add_argument(
        "--key",
        default="",
        metavar="URI",
        help="sign the evidence: file:PATH, or hsm: awskms: azurekms: gcpkms: hv: gnupg: (default: $WARDEIN_KEY)",
    )
    if not step.has("policy"):
        common.add_argument("--policy", type=Path, metavar="DIR", help="also apply this policy's thresholds")
        common.add_argument("--environment", default="", metavar="NAME", help="those that it has for this environment")
        common.add_argument("--tier", default="", choices=("low", "standard", "high"), help="and for this risk tier")
    common.add_argument("--run-id", default="", metavar="ID", help="bind the evidence to one run of a pipeline")
    common.add_argument("--time-limit", type=float, default=0.0, metavar="SECONDS", help="end in ERROR after this long")
    common.add_argument("--orchestrator", default="cli", choices=("cli", "kfp", "airflow"), help=argparse.SUPPRESS)
    common.add_argument(
        "--exit-zero", action="store_true", help="exit 0 on FAIL as well, because a gate will decide; ERROR stays 2"
    )
    common.add_argument("--json", action="store_true", help="print the report as one JSON document")
    return parser


def parse_value(param: Param, given: Sequence[str] | None) -> Any:
    """Turn the strings of a command line (or of a template) into the parameter's type.

    Raises:
        UsageError: If they do not fit.
    """
    if given is None:
        return None
    if param.type in ("paths", "list[str]", "list[float]"):
        items = [item for text in given for item in _items(param, text)]
        return (
            [Path(item) for item in items]
            if param.type == "paths"
            else [_scalar(param, item, param.type[5:-1]) for item in items]
        )
    if param.type.startswith("dict"):
        value_type = param.type.split(", ")[1][:-1]
        return {key: _scalar(param, value, value_type) for text in given for key, value in _pairs(param, text)}
    if len(given) > 1:
        raise UsageError("is given more than once", where=param.flag)
    if param.choices and given[0] not in param.choices:
        raise UsageError(f"{given[0]!r} is none of {', '.join(param.choices)}", where=param.flag)
    if param.type == "path":
        return Path(given[0]) if given[0] else None
    return _scalar(param, given[0], param.type)


def _scalar(param: Param, text: Any, kind: str) -> Any:
    try:
        if kind == "bool":
            return {"true": True, "false": False}[str(text).lower()]
        if kind == "float":
            value = float(text)
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(text)
            return value
        return int(str(text)) if kind == "int" else str(text)
    except (ValueError, KeyError, OverflowError):
        wanted = {"bool": "true or false", "int": "a whole number", "float": "a finite number"}[kind]
        raise UsageError(f"{text!r:.60} is not {wanted}", where=param.flag) from None


def _items(param: Param, text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        value = _json(param, text)
        if not isinstance(value, list) or any(isinstance(item, (dict, list, type(None))) for item in value):
            raise UsageError(f"{text[:40]!r} is not a list of plain values", where=param.flag)
        if param.type == "paths" and not all(isinstance(item, str) for item in value):
            raise UsageError(f"{text[:40]!r} is not a list of paths", where=param.flag)
        return value
    return [text] if text else []


def _pairs(param: Param, text: str) -> list[tuple[str, Any]]:
    if text.lstrip().startswith("{"):
        return list(_json(param, text).items())
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE", where=param.flag)
    return [(key, value)]


def _json(param: Param, text: str) -> Any:
    from wardein.jsontext import strict_loads

    if not is_text(text):
        raise UsageError("is not UTF-8", where=param.flag)
    return strict_loads(text.encode(), where=param.flag)


def _command(name: str, argv: Sequence[str]) -> int:
    if name in COMMANDS:
        parser = _Parser(prog=f"wardein {name}", description=COMMANDS[name], formatter_class=_help_format())
        command = importlib.import_module(f"wardein.commands.{name.replace('-', '_')}")
        return int(command.run(parser, argv))
    if name.replace("-", "_") not in STEPS:
        raise UsageError(f"there is no command {name!r}", mend="see: wardein --help")
    return run_step(name, argv)


def overview() -> argparse.ArgumentParser:
    """The parser of ``wardein`` without a step; its help is generated into ``help.txt``."""
    steps = [load(name) for name in STEPS]
    width = max(len(step.command) for step in steps) + 2
    text = ["checks:"] + [f"  {s.command:<{width}}{s.summary}" for s in steps if s.kind == "check"]
    text += ["", "release:"] + [f"  {s.command:<{width}}{s.summary}" for s in steps if s.kind == "release"]
    text += ["", "commands:"] + [f"  {name:<{width}}{line}" for name, line in COMMANDS.items()]
    text += [
        "",
        "wardein STEP --help tells a step's parameters. Exit codes: 0 passed, 1 failed, 2 could not look, or misuse.",
    ]
    parser = _Parser(
        prog="wardein",
        usage="wardein STEP --param value … [options]",
        description="Checks for models that say what they looked at, and a gate that believes only signed evidence.",
        epilog="\n".join(text),
        formatter_class=_help_format(),
    )
    parser.add_argument("--version", action="version", version=f"wardein {__version__}")
    return parser


def _help_format() -> Any:
    return lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=32, width=120)


def _metavar(param: Param) -> str:
    if param.choices:
        return "|".join(param.choices)
    named = {
        "path": "PATH",
        "paths": "PATH",
        "int": "N",
        "float": "X",
        "bool": "true|false",
        "str": "TEXT",
        "list[str]": "TEXT",
        "list[float]": "X",
    }
    return {"Image": "IMAGE", "Key": "URI", "Digest": "sha256:HEX"}.get(param.artifact) or named.get(
        param.type, "NAME=VALUE"
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
