# SPDX-License-Identifier: Apache-2.0
"""What a run may write to: nothing that it reads, nothing that is served, no log, no evidence of another step.

Whoever writes the pipeline names the outputs, and the process that writes them may be allowed to write to much more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein import files
from wardein.errors import UsageError, WardeinError
from wardein.jsontext import strict_loads
from wardein.spec import Step

# The file that makes a folder one that models are served from.
AUDIT_LOG = "audit.jsonl"
_MOST = 32 * 1024


def check(
    step: Step, arguments: Mapping[str, Any], written: Mapping[str, Path], in_use: Sequence[tuple[str, str]]
) -> None:
    """Refuse outputs that would destroy something.

    Args:
        step: The step to run.
        arguments: Its arguments.
        written: What every step may write, by the option that names it.
        in_use: Further files that the run reads, each with what names it.

    Raises:
        UsageError: If an output cannot be written, is an input, a key or another output, or lies inside one; if it
            is a log, or lies where models are served from; or if it is a file that the step did not write.
    """
    taken = {Path(path).resolve(): name for path, name in [*in_use, *_read(step, arguments)]}
    outputs = [(name, path, "File") for name, path in written.items()]
    for param in step.params:
        if param.output and arguments.get(param.name):
            outputs.append((param.flag, Path(arguments[param.name]), param.output))
    # A folder is filled and a log added to: what else is written must lie elsewhere.
    taken |= {path.resolve(): name for name, path, kind in outputs if kind == "Folder"}
    for name, path, kind in outputs:
        target = path.resolve()
        _check_harmless(name, target, kind)
        if kind == "Folder":
            continue
        clash = next((other for item, other in taken.items() if target == item or item in target.parents), "")
        if clash:
            mend = "name another file, beside it"
            raise UsageError(f"would overwrite, or lie inside, what {clash} names", where=name, mend=mend)
        taken[target] = name
        if kind == "File":
            files.check_writable(path)
    if "--evidence" in written:
        _check_own(step, written["--evidence"])


def is_evidence_of(path: Path, step: str) -> bool:
    """Whether a file is what one run of a step left as its evidence, and so is the step's to replace."""
    from wardein.evidence.envelope import read_claims
    from wardein.evidence.statement import read
    from wardein.report import CHECK_RESULT

    try:
        statements = []
        for item in read_claims(path):
            if isinstance(item, WardeinError):
                return False
            statements.append(read(item.payload))
    except WardeinError:
        return False
    said = statements[0].predicate.get("check")
    own = isinstance(said, dict) and said.get("id") == step
    return own and [s.predicate_type for s in statements].count(CHECK_RESULT) == 1


def _read(step: Step, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for param in step.params:
        value = arguments.get(param.name)
        if value not in (None, "") and param.artifact not in ("", "Key", "Digest"):
            found += [(str(item), param.flag) for item in (value if isinstance(value, list) else [value])]
    return found


def _check_harmless(name: str, target: Path, kind: str) -> None:
    """Neither a log, nor anywhere below a folder that models are served from."""
    own = target.name == AUDIT_LOG and kind == "Log"
    served = next((f for f in target.parents if (f / AUDIT_LOG).exists() and not (own and f == target.parent)), None)
    if served is not None:
        mend = "write to another folder"
        raise UsageError(f"lies in {served}, where models are served from", where=name, mend=mend)
    if kind == "Folder" or not target.is_file() or target.stat().st_size == 0:
        return
    if _is_log(target) != (kind == "Log"):
        what = "is an audit log" if kind != "Log" else "is a file that is no audit log"
        raise UsageError(what, where=f"{name} {target}", mend="name another file")


def _is_log(path: Path) -> bool:
    """Whether the first line is an entry of an audit log, or the beginning of one that a killed writer left."""
    with open(path, "rb") as file:
        line, ended, _ = file.read(_MOST).partition(b"\n")
    if not ended:
        return line.startswith(b'{"action": ') or b'{"action": '.startswith(line)
    try:
        entry = strict_loads(line)
    except WardeinError:
        return False
    return isinstance(entry, dict) and {"action", "previous", "time"} <= set(entry)


def _check_own(step: Step, path: Path) -> None:
    if path.is_file() and path.stat().st_size and not is_evidence_of(path, step.name):
        mend = "remove it, or name another file"
        raise UsageError(f"holds something else than evidence of {step.name}", where=f"--evidence {path}", mend=mend)
