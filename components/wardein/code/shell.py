# SPDX-License-Identifier: Apache-2.0
"""What shell commands in code and notebooks do that no scan of an image or lock file will see."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

_DOWNLOAD = re.compile(r"\b(?:curl|wget|fetch)\b")
_INTO_SHELL = re.compile(r"\|\s*(?:sudo\s+)?(?:env\s+)?(?:/[\w./-]*/)?(?:(?:ba|z|da|k|c)?sh|python[\d.]*)\b")
_PIPELINES = re.compile(r"&&|\|\||[;&\n]")
_SUBSTITUTED = re.compile(
    r"(?:\b(?:ba|z|da)?sh\s+(?:-c\s+)?|\beval\s+|\bsource\s+|^\.\s+)[\"']?(?:\$\(|<\(|`)\s*(?:curl|wget)\b"
)
_OPEN_NOTEBOOK = re.compile(
    r"(?:NotebookApp|ServerApp|IdentityProvider)\.(?:token|password)\s*=\s*(?:''|\"\"|(?=\s|$))|--no-auth\b"
)
_JUPYTER = re.compile(r"\bjupyter|\bNotebookApp|\bServerApp")
_OPEN_RAY = re.compile(r"--dashboard-host[= ]+[\"']?(?:0\.0\.0\.0|::)")
_COMMANDS = re.compile(r"&&|\|\||[;|&\n]")
_URL = re.compile(r"(?:^|[@ ])(?:git\+|hg\+|svn\+|bzr\+|https?://|ftp://)")
_PINNED = re.compile(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*===?\s*[^*\s]+$")
_WITH_VALUE = frozenset(
    ("-r", "--requirement", "-c", "--constraint", "-t", "--target", "--platform", "--python-version", "-f")
    + ("--find-links", "--prefix", "--root", "--src", "--timeout", "--retries", "--cache-dir", "--no-binary")
    + ("--only-binary", "--proxy", "--log", "--cert", "--upgrade-strategy", "--progress-bar", "-p", "--python")
)
_INDEX = ("--index-url", "-i", "--extra-index-url", "--trusted-host", "--find-links", "-f")


def rules_of(command: str) -> Iterator[str]:
    """The rules that a shell command breaks."""
    if _SUBSTITUTED.search(command) or any(_is_piped(part) for part in _PIPELINES.split(command)):
        yield "code/pipe-to-shell"
    if (_JUPYTER.search(command) and _OPEN_NOTEBOOK.search(command)) or _OPEN_RAY.search(command):
        yield "code/open-cluster"
    for part in _COMMANDS.split(command):
        yield from rules_of_words(_words(part))


def _is_piped(pipeline: str) -> bool:
    """Whether what is downloaded runs through a pipe into a shell."""
    download = _DOWNLOAD.search(pipeline)
    return download is not None and _INTO_SHELL.search(pipeline, download.end()) is not None


def rules_of_words(words: Sequence[str]) -> Iterator[str]:
    """The rules that one command breaks that is given as a list of words; an unknown word is empty."""
    names = [word.rpartition("/")[2] for word in words]
    for number, name in enumerate(names[:-1]):
        is_pip = re.fullmatch(r"pip[\d.]*", name) is not None
        if (is_pip or name in ("uv", "%pip")) and "install" in names[number + 1 : number + 3]:
            start = names.index("install", number + 1) + 1
            rule = requirements_rule(words[start:])
            if rule:
                yield rule
            return


def requirements_rule(words: Sequence[str]) -> str:
    """The rule that the arguments of ``pip install`` break; empty if none."""
    unpinned, skip = False, False
    for word in words:
        option = word.partition("=")[0]
        if option in _INDEX or _URL.search(word):
            return "code/install-from-url"
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _WITH_VALUE
        elif word == "." or word.startswith(("./", "../", "/")) or word.endswith(".whl"):
            continue
        else:
            unpinned = unpinned or not _PINNED.match(word)
    return "code/install-unpinned" if unpinned else ""


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, comments=True)
    except ValueError:  # a quotation mark without its partner
        return command.split()
