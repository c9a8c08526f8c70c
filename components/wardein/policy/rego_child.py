# SPDX-License-Identifier: Apache-2.0
"""Runs regopy in a process of its own, which a rule without end may fill or crash.

It is started by its path, isolated, with a request and a place for the answer; it imports nothing of wardein. What
regopy prints is its explanation of an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(request: str, answer: str) -> None:
    """Evaluate the query of a request, and write its value; nothing is written if there is none."""
    from regopy import Interpreter

    asked = json.loads(Path(request).read_text(encoding="utf-8"))
    interpreter = Interpreter()
    interpreter.strict_built_in_errors = True
    interpreter.add_module("rules.rego", asked["rules"])
    # As text: set_input would write what is not ASCII in another form than the rules have it.
    interpreter.set_input_term(asked["input"])
    output = interpreter.query(asked["query"])
    if not output.ok():
        print(json.dumps(output.node().json()) if hasattr(output.node(), "json") else str(output))
        sys.exit("a rule ended in an error")
    Path(answer).write_text(json.dumps(output[0].expressions[0]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
