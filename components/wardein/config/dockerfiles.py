# SPDX-License-Identifier: Apache-2.0
"""Reading Dockerfiles, and the rules for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wardein.config.hits import Hit, image_hits, is_secret, runs_download
from wardein.config.nodes import Node
from wardein.errors import WardeinError

_KEYWORDS = frozenset(
    ("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER")
    + ("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)
_DIRECTIVE = re.compile(r"#\s*(escape|syntax|check)\s*=\s*(\S+)", re.IGNORECASE)
_HEREDOC = re.compile(r"(?:^|\s)[0-9]*<<-?([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1(?=\s|$)")
_FLAG = re.compile(r"(--[a-z-]+(?:=\S+)?\s+)")
_PIP = re.compile(r"\b(?:pip[0-9.]*|uv\s+pip)\s+install\b([^;&|\n]*)")
# Options of pip that take a value, which is then no requirement.
_VALUED = frozenset(
    ("-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
    + ("-t", "--target", "--prefix", "--root", "--src", "--cache-dir", "--timeout", "--retries", "--proxy", "--cert")
    + (
        "--trusted-host",
        "--platform",
        "--python-version",
        "--only-binary",
        "--no-binary",
        "-e",
        "--editable",
        "--python",
    )
)
_EXTRA_INDEX = re.compile(r"--extra-index-url|\b(PIP|UV)_EXTRA_INDEX_URL\b|--index-strategy[= ]unsafe")
_ROOT = re.compile(r"(root|0+)(:.*)?\Z")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword, its flags, the rest of it with continued lines joined, and its lines."""

    keyword: str
    flags: str
    rest: str
    line: int
    last: int

    @property
    def node(self) -> Node:
        """Where it stands."""
        return Node(self.rest, self.line, self.last)


def read_dockerfile(text: str, where: str) -> list[Instruction]:
    """Read the instructions of a Dockerfile.

    Raises:
        WardeinError: If docker could not build it: an unknown instruction, a heredoc without end, no FROM.
    """
    lines = text.splitlines()
    escape = _escape(lines)
    found: list[Instruction] = []
    number = 0
    while number < len(lines):
        if not _says(lines[number]):
            number += 1
            continue
        first = number
        words, number = _joined(lines, number, escape)
        keyword, rest = [*words.split(None, 1), ""][:2]
        keyword, rest = keyword.upper(), rest.strip()
        if keyword not in _KEYWORDS:
            raise WardeinError(f"line {first + 1} begins with no instruction of a Dockerfile", where=where)
        for match in _HEREDOC.finditer(rest) if keyword in ("RUN", "COPY", "ADD") else ():
            end = next((n for n in range(number, len(lines)) if lines[n].strip() == match[2]), None)
            if end is None:
                raise WardeinError(f"line {first + 1} begins a heredoc that does not end", where=where)
            rest += "".join(f"\n{line}" for line in lines[number:end])
            number = end + 1
        flags = "".join(_leading_flags(rest))
        found.append(Instruction(keyword, flags, rest[len(flags) :], first + 1, number))
    if not any(i.keyword == "FROM" for i in found) or found[0].keyword not in ("FROM", "ARG"):
        raise WardeinError("does not begin with FROM", where=where)
    return found


def _says(line: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _joined(lines: Sequence[str], number: int, escape: str) -> tuple[str, int]:
    """An instruction with its continued lines, and the number of the line after it."""
    words = ""
    while number < len(lines):
        line = lines[number].rstrip()
        number += 1
        if words and not _says(line):
            continue  # comments and empty lines do not end an instruction
        continues = line.endswith(escape)
        words += (line[:-1] if continues else line) + " "
        if not continues:
            break
    return words, number


def hits(instructions: Sequence[Instruction], ignore_file: bool) -> Iterator[Hit]:
    """What a Dockerfile breaks.

    Args:
        instructions: From :func:`read_dockerfile`.
        ignore_file: Whether a .dockerignore goes with it.
    """
    stages: dict[str, Instruction | None] = {}
    stage, user, last_from = "", None, instructions[0]
    for item in map(_triggered, instructions):
        if item.keyword == "FROM":
            words = [*item.rest.split(), "", "", ""]
            image, stage, last_from = words[0].lower(), words[2].lower(), item
            user = stages.get(image)  # an image of this file hands its user on
            if image not in stages and image != "scratch":
                yield from image_hits(item.node, words[0])
        elif item.keyword == "USER":
            user = item
        stages[stage] = user
        yield from _instruction(item, ignore_file)
    if user is None:
        yield Hit("config/root-user", last_from.node, "no USER", text="USER")
    elif _ROOT.match(user.rest.strip().strip("\"'")):
        yield Hit("config/root-user", user.node, text="USER")


def _triggered(item: Instruction) -> Instruction:
    """What an ONBUILD will run."""
    if item.keyword != "ONBUILD":
        return item
    keyword, rest = [*item.rest.split(None, 1), "", ""][:2]
    return Instruction(keyword.upper(), "", rest.strip(), item.line, item.last)


def _instruction(item: Instruction, ignore_file: bool) -> Iterator[Hit]:
    if item.keyword in ("ENV", "ARG"):
        yield from _variables(item)
    if item.keyword in ("ADD", "COPY"):
        yield from _copied(item, ignore_file)
    if item.keyword in ("RUN", "ENV", "ARG", "CMD", "ENTRYPOINT"):
        yield from _commands(item)


def _escape(lines: Sequence[str]) -> str:
    """The character that continues a line: a directive before everything else may change it."""
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if not match:
            return "\\"
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _leading_flags(rest: str) -> Iterator[str]:
    at = 0
    while match := _FLAG.match(rest, at):
        yield match[1]
        at = match.end()


def _variables(item: Instruction) -> Iterator[Hit]:
    pairs = re.findall(r"(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]+)=(\"[^\"]*\"|'[^']*'|\S*)", item.rest)
    if not pairs and item.keyword == "ENV":
        pairs = [tuple([*item.rest.split(None, 1), ""][:2])]
    for name, value in pairs:
        if is_secret(name, value.strip("\"'")):
            yield Hit("config/secret-in-env", item.node, f"{name[:80]} (the value is not shown)", text=f"ENV {name}")


def _copied(item: Instruction, ignore_file: bool) -> Iterator[Hit]:
    sources = item.rest.split("\n")[0].split()[:-1]
    if item.keyword == "ADD" and "--checksum" not in item.flags and re.search(r"\bhttps?://", item.rest):
        yield Hit("config/add-url", item.node)
    if not ignore_file and "--from" not in item.flags and any(s in (".", "./") for s in sources):
        yield Hit("config/copy-all", item.node)


def _commands(item: Instruction) -> Iterator[Hit]:
    if _EXTRA_INDEX.search(item.rest):
        yield Hit("config/extra-index-url", item.node)
    if runs_download(item.rest):
        yield Hit("config/curl-to-shell", item.node)
    if item.keyword == "RUN":
        loose = [word for match in _PIP.finditer(item.rest) for word in _loose(match[1])]
        if loose:
            yield Hit("config/unpinned-install", item.node, ", ".join(loose)[:160])


def _loose(arguments: str) -> Iterator[str]:
    """What an installation does not pin: packages without a version, requirements without hashes."""
    words = [word.strip("\"'") for word in arguments.replace('",', " ").split()]
    if "--require-hashes" in words:
        return
    for before, word in zip(["", *words], words, strict=False):
        option, _, value = word.partition("=")
        if before in ("-r", "--requirement") or (option == "--requirement" and value):
            yield "requirements without --require-hashes"
        elif (
            word.startswith("-")
            or before in _VALUED
            or word in (".", "./")
            or not re.match(r"[A-Za-z0-9./]", word)
            or re.match(r"[A-Za-z0-9._-]+(\[[^]]*\])?===?[^*]+$", word)
            or re.search(r"@[0-9a-f]{40}|\.whl$", word)
        ):
            continue
        elif re.match(r"[A-Za-z0-9._-]+(\[[A-Za-z0-9,_-]*\])?([<>=~!].*)?$", word):
            yield word
