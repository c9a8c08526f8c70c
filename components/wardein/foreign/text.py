# SPDX-License-Identifier: Apache-2.0
"""Words and paths of a report made safe to tell: one line, printable, bounded, without secrets and machine paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from wardein.errors import WardeinError, printable

MOST_CHARACTERS = 300
# Every path is compared with every one of them.
_MOST_ROOTS = 100
_SECRETS = re.compile(
    r"-----BEGIN[ A-Z0-9]*-----.*"  # a key, and whatever follows
    r"|(?<=://)[^/\s]+@"  # user and password in a URL
    r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"
    r"|\b(?:gh[opsur]|github_pat|glpat|xox[a-z]|sk|pk|rk|hf|npm|pypi|dop_v1)[-_](?=[A-Za-z_\-]*\d)[A-Za-z0-9_\-]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]+"  # a JSON web token
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9+=]{24,}")
# Absolute ones; what looks like one in an address is not.
_MACHINE_PATHS = re.compile(
    r"(?<![\w:/.~-])(?:file://[^/\s]*)?(?:[A-Za-z]:)?[/\\](?:[^/\\\s:'\"`()]+[/\\]){2,}([^/\\\s:'\"`()]*)"
)
_ABOUT_SECRETS = re.compile(
    r"secret|passw|credential|token\b|(?:api|access|private)[-_ ]?key|\bB10[567]\b|CWE-(?:259|321|522|540|798)\b",
    re.I,
)


def one_line(text: str, limit: int = MOST_CHARACTERS) -> str:
    """A text in one line without control characters and what looks like a secret, cut where it is too long."""
    # Before anything that takes time, as a message may be megabytes long.
    line = printable(" ".join(text[: 8 * limit].split()))
    line = _LONG_WORD.sub(_unless_random, _SECRETS.sub("***", line))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _unless_random(word: re.Match[str]) -> str:
    """A long word that mixes digits and both cases is a key of some kind, not language."""
    is_random = all(re.search(kind, word[0]) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return "***" if is_random else word[0]


def told(text: str, limit: int = MOST_CHARACTERS) -> str:
    """Words of a tool: one line, in which files of its machine go by their names only."""
    return one_line(_MACHINE_PATHS.sub(r"\1", text[: 8 * limit]), limit)


def is_about_secrets(*words: str) -> bool:
    """Whether a rule, by its name or its weakness, is about secrets."""
    return any(_ABOUT_SECRETS.search(word[:MOST_CHARACTERS]) for word in words)


def slug(name: str) -> str:
    """A tool's name as rules are told under it: ``Semgrep OSS`` is ``semgrep-oss``."""
    return re.sub(r"[^a-z0-9.]+", "-", name[:60].lower()).strip("-.") or "tool"


def plain_path(path: str) -> str:
    """A path or file URI as a POSIX path, not yet known to lie anywhere."""
    text = path[:4096]
    if re.match(r"file:", text, re.IGNORECASE):
        text = unquote(re.sub(r"(?i)^file:(?://[^/]*)?", "", text))
        text = text[1:] if re.match(r"/[A-Za-z]:", text) else text
    text = re.sub(r"/+", "/", text.replace("\\", "/"))
    return re.sub(r"(?:^|(?<=/))(?:\./)+", "", text)


def plain_roots(roots: Iterable[str]) -> tuple[str, ...]:
    """Folders as :func:`inside` takes them, innermost first.

    Raises:
        WardeinError: If there are more than anybody works in.
    """
    found = {plain_path(root).rstrip("/") for root in roots} - {""}
    if len(found) > _MOST_ROOTS:
        mend = "let the tool run in one folder"
        raise WardeinError(f"names {len(found)} folders as its own, not {_MOST_ROOTS}", where="--findings", mend=mend)
    return tuple(sorted(found, key=lambda root: (-len(root), root)))


def inside(path: str, roots: Sequence[str] = ()) -> str:
    """Where a file is in the subject: relative, and without the folders of the machine that the tool ran on.

    Args:
        path: A path or URI, as the report says it.
        roots: The folders that are the subject, or that it lies in, from :func:`plain_roots`.

    Raises:
        WardeinError: If it leads out by ``..``.
    """
    path = path[:4096]
    if re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.\-]+:", path, re.IGNORECASE):
        return one_line(re.split(r"[?#]", path)[0])  # an address, whose query may hold anything
    text = plain_path(path)
    for root in roots:
        if root and text == root:
            text = text.rpartition("/")[2]
            break
        if root and text.startswith(f"{root}/"):
            text = text[len(root) + 1 :]
            break
    if ".." in text.split("/"):
        mend = "run the tool in the folder that is the subject, and give it no path with .."
        shown = one_line(path, 100)
        raise WardeinError(f"names {shown!r}, which leads out of the subject", where="--findings", mend=mend)
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        text = text.rstrip("/").rpartition("/")[2]
    return one_line(text.rstrip("/"))
