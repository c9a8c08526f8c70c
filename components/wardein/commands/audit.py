# SPDX-License-Identifier: Apache-2.0
"""The audit log, verified."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from wardein.errors import UsageError


def run(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Verify the log that the options name."""
    parser.add_argument("log", type=Path, help="the audit.jsonl in the folder that models are served from")
    parser.add_argument("--head", default="", help="a head that was noted elsewhere: a cut tail shows only against it")
    options = parser.parse_args(argv)
    return audit(options.log, options.head)


def audit(log: Path, head: str) -> int:
    """Verify a chained log.

    Raises:
        WardeinError: If it does not exist, a line does not follow from the one before it, or the head is not on it.
    """
    from wardein.release.audit import AuditLog

    if not log.is_file():
        raise UsageError("does not exist", where=str(log), mend="give the audit.jsonl that promote writes")
    print(f"the chain holds; its head is {AuditLog(log).verify(head)}")
    return 0
