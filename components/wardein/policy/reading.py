# SPDX-License-Identifier: Apache-2.0
"""Reading YAML strictly: what is misspelt, doubled or of the wrong type is refused, never passed over."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError, missing_extra
from wardein.subject import open_regular

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
# Enough for any threshold; more would overflow what counts time.
LARGEST = 1e15
# YAML 1.1 reads `no` as false, `1:30` as 90 and `2026-01-01` as a date. Here such words are texts: the only values that
# are not are those that JSON has as well.
_WORDS = {
    "bool": (r"true|false|True|False", "tTfF"),
    "null": (r"null|~|", ["n", "~", ""]),
    "int": (r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
}


def read_yaml(path: Path, mend: str) -> Any:
    """The content of a YAML file, without aliases, tags, merge keys or doubled keys.

    Args:
        path: The file; not a link.
        mend: What to do if there is none.

    Raises:
        WardeinError: If it cannot be read, is larger than 256 KiB, nested deeper than 32 levels, or is not such YAML.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise missing_extra("yaml", "sign") from None
    try:
        with open_regular(path, path.name) as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except WardeinError as error:
        raise WardeinError(error.what, where=str(path), mend=mend) from None
    except (OSError, UnicodeDecodeError) as error:
        raise WardeinError(f"cannot be read ({type(error).__name__})", where=str(path), mend=mend) from None
    if len(content) > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=path.name)
    try:
        return yaml.load(text, Loader=_strict_loader(yaml))  # noqa: S506 - a SafeLoader that refuses more
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The place and the problem, never the line: what was meant to be YAML may be a file with secrets.
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f"{path.name} line {mark.line + 1}" if mark else path.name
        raise WardeinError(f"is not valid YAML ({_shortly(problem or type(error).__name__)})", where=where) from None


def members(value: Any, where: str, allowed: Collection[str] | None = None) -> Mapping[str, Any]:
    """A mapping with names as keys; with ``allowed``, none but those.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, dict):
        raise WardeinError("is not a mapping", where=where)
    if allowed is not None:
        no_stray(sorted(set(value) - set(allowed)), where, f"known keys: {', '.join(sorted(allowed))}")
    return value


def no_stray(names: Sequence[str], where: str, why: str) -> None:
    """Refuse names that should not be there.

    Raises:
        WardeinError: If there are any.
    """
    if names:
        # As ASCII, because a letter of another alphabet can look like the right one.
        raise WardeinError(f"has an unknown key {ascii(names[0])[:80]}", where=where, mend=why)


def items(value: Any, where: str) -> list[Any]:
    """A list.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, list):
        raise WardeinError("is not a list", where=where)
    return value


def number(value: Any, where: str, most: float = LARGEST) -> float:
    """A finite number of 0 or more.

    Raises:
        WardeinError: If it is not, or is larger than ``most``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        upper = "or more" if most == LARGEST else f"to {most:g}"
        raise WardeinError(f"{_shortly(repr(value))} is not a number of 0 {upper}", where=where)
    return float(value) + 0.0  # -0 is 0


def whole(value: Any, where: str) -> int:
    """A whole number of 0 or more.

    Raises:
        WardeinError: If it is not.
    """
    if number(value, where) != int(value):
        raise WardeinError(f"{value!r} is not a whole number", where=where)
    return int(value)


def choice(value: Any, allowed: Sequence[Any], where: str) -> Any:
    """One of the allowed values.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, str) or value not in allowed:
        raise WardeinError(f"{_shortly(ascii(value))} is none of {', '.join(map(str, allowed))}", where=where)
    return value


def text(value: Any, where: str) -> str:
    """A text that is not empty.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, str) or not value.strip():
        raise WardeinError(f"{_shortly(ascii(value))} is not a text", where=where)
    return value


def name(value: Any, where: str, what: str = "name") -> str:
    """A name that cannot be mistaken for another.

    Raises:
        WardeinError: If it is not letters, digits and . _ - that begin with a letter.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", value):
        shown = _shortly(ascii(value))
        raise WardeinError(f"{what} {shown} is not a name of letters, digits and . _ -", where=where)
    return value


def _shortly(said: object) -> str:
    return " ".join(str(said).split())[:200]


def _strict_loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML's class, imported late
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if self.check_event(yaml.events.AliasEvent) or event.anchor is not None:
                raise yaml.composer.ComposerError(None, None, "aliases are not allowed", event.start_mark)
            if event.tag is not None:
                raise yaml.composer.ComposerError(None, None, "tags are not allowed", event.start_mark)
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise yaml.composer.ComposerError(None, None, f"is deeper than {MAX_DEPTH} levels", event.start_mark)
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        return _unique(yaml, node, [(loader.construct_object(k, deep=True), loader.construct_object(v, deep=True))
                                    for k, v in node.value])  # fmt: skip

    prefix = "tag:yaml.org,2002:"
    for word, (pattern, first) in _WORDS.items():
        Loader.add_implicit_resolver(prefix + word, re.compile(rf"(?:{pattern})\Z"), list(first))
    Loader.add_constructor(prefix + "int", lambda loader, node: int(node.value))
    Loader.add_constructor(prefix + "float", _real)
    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader


def _unique(yaml: Any, node: Any, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    if not all(isinstance(key, str) for key, _ in pairs):
        raise yaml.constructor.ConstructorError(None, None, "a key is not a text", node.start_mark)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
    return found


def _real(loader: Any, node: Any) -> float:
    found = float(node.value)
    if not math.isfinite(found):
        raise ValueError(f"{node.value} is too large a number")
    return found
