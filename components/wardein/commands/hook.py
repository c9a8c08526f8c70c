# SPDX-License-Identifier: Apache-2.0
"""What a pre-commit hook runs: wardein's own rules on the files that are about to be committed, without any program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wardein.errors import WardeinError, printable
from wardein.report import Severity
from wardein.scan.merge import Found

_RATED = ("critical", "high", "medium", "low")


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Print what is found in the files, one line each.

    Returns:
        0 if nothing fails, 1 if something does, 2 if one of the files cannot be examined.
    """
    parser.add_argument("kind", choices=("secrets", "code"), help="what to look for")
    text = "the files, after --, as a file can be called like an option; pre-commit gives those changed"
    parser.add_argument("files", nargs="*", metavar="FILE", help=text)
    parser.add_argument(
        "--fail-severity", default="high", choices=_RATED, help="the least severe finding that fails (default: high)"
    )
    own, dashes, names = _parted(list(argv))
    options = parser.parse_intermixed_args(own)
    if dashes and options.files:
        parser.error("give all files after --")
    limit = Severity(options.fail_severity)
    found, unread = _found(_scanner(options.kind), [Path(name) for name in [*options.files, *names]])
    for item in found:
        print(printable(f"{_place(item)}: {item.severity}: {item.rule}: {item.message}"))
    for error in unread:
        print(f"wardein: {error}", file=sys.stderr)
    if unread:
        return 2
    return 1 if any(item.severity.rank <= limit.rank for item in found) else 0


def _parted(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    """The options, whether there is a ``--``, and the files after it, which are nothing but files."""
    if "--" not in argv:
        return argv, False, []
    at = argv.index("--")
    return argv[:at], True, argv[at + 1 :]


def _scanner(kind: str) -> Callable[[Sequence[Path]], list[Found]]:
    if kind == "secrets":
        from wardein.secrecy.search import scan_files

        return scan_files
    from wardein.code.hook import scan_files as scan_code

    return scan_code


def _found(scan: Callable[[Sequence[Path]], list[Found]], files: Sequence[Path]) -> tuple[list[Found], list[str]]:
    """What is in the files, one at a time, so that one that cannot be read does not hide the others."""
    found, unread = [], []
    for file in files:
        if not file.is_file() and not file.is_symlink():
            unread.append(f"{file}: does not exist; check the path" if not file.exists() else f"{file}: is no file")
            continue
        try:
            found += scan([file])
        except WardeinError as error:
            unread.append(str(error))
    return sorted(found, key=lambda item: (item.path, item.part, item.line, item.rule)), unread


def _place(item: Found) -> str:
    """``path:line``, as editors open it; a part of a file in between."""
    return ":".join(filter(None, (item.path, item.part, str(item.line) if item.line else "")))
