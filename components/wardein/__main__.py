# SPDX-License-Identifier: Apache-2.0
"""The entry point. Help is a generated text, so that asking for it imports nothing."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

# Evidence is many small objects without cycles; the default of 700 makes the collector walk them over and over.
GARBAGE = 50_000
HELP = os.path.join(os.path.dirname(__file__), "help.txt")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 passed, 1 failed, 2 could not look, or misuse."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments in (["--help"], ["-h"]):
        with open(HELP, encoding="utf-8") as file:
            print(file.read(), end="")
        return 0 if arguments else 2
    from wardein import cli

    gc.set_threshold(GARBAGE)
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
