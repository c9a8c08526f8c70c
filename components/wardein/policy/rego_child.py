# SPDX-License-Identifier: Apache-2.0
"""Runs regopy in a process of its own, which a rule may fill, crash or keep busy.

It is started by its path, isolated, with a request and a place for the answer, and imports nothing of wardein. It
ends with 0 only if the answer is whole; else its last words say why, and regopy has printed where.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path

MAX_MEMORY = 1024**3
_STATUS = Path("/proc/self/statm")


def evaluate(rules: str, document: str, query: str) -> str:
    """The value of a query as JSON.

    Raises:
        ValueError: If a rule ended in an error; engines that are not strict would call its value undefined.
    """
    from regopy import Interpreter  # type: ignore[import-untyped]

    interpreter = Interpreter()
    interpreter.strict_built_in_errors = True
    interpreter.add_module("rules.rego", rules)
    # As text: set_input would write what is not ASCII in another form than the rules have it.
    interpreter.set_input_term(document)
    output = interpreter.query(query)
    if not output.ok():
        raise ValueError("a built-in function failed, or a rule has two values at once")
    return json.dumps(output[0].expressions[0])


def bound_memory() -> None:
    """End this process when it holds too much; limits of the system do not fit regopy, which reserves 256 GiB."""
    while True:
        if int(_STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") > MAX_MEMORY:
            print(f"the rules took more than {MAX_MEMORY // 1024**2} MiB of memory", file=sys.stderr, flush=True)
            os._exit(1)
        time.sleep(0.02)


def main(request: str, answer: str) -> None:
    """Evaluate a request."""
    if _STATUS.exists():
        threading.Thread(target=bound_memory, daemon=True).start()
    try:
        value = evaluate(**json.loads(Path(request).read_text(encoding="utf-8")))
    except Exception as error:  # regopy tells of some errors by text that is no JSON, which it then fails to read
        text = getattr(error, "doc", "") or str(error)
        sys.exit("; ".join(re.findall(r"\(errormsg \d+:(.*?)\)", text)) or text[:300] or type(error).__name__)
    Path(answer).write_text(value, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
