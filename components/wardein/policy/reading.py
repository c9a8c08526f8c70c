# SPDX-License-Identifier: Apache-2.0
"""Reading YAML strictly: what is misspelt, doubled or of the wrong type is refused, never passed over."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from wardein.errors import WardeinError, missing_extra

MAX_BYTES = 1024 * 1024


def read_yaml(path: Path, mend: str) -> Any:
    """The content of a YAML file, without aliases, tags of Python, or doubled keys.

    Args:
        path: The file.
        mend: What to do if there is none.

    Raises:
        WardeinError: If it cannot be read, is larger than 1 MiB, or is not such YAML.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise missing_extra("yaml", "sign") from None
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WardeinError(f"cannot be read ({type(error).__name__})", where=str(path), mend=mend) from None
    if len(content) > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=path.name)
    try:
        return yaml.load(text, Loader=_strict_loader(yaml))  # noqa: S506 - a SafeLoader that refuses more
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WardeinError(f"is not valid YAML ({' '.join(str(error).split())})", where=path.name) from None


def members(value: Any, where: str, allowed: Collection[str] | None = None) -> Mapping[str, Any]:
    """A mapping with names as keys; with ``allowed``, none but those.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise WardeinError("is not a mapping with names as keys", where=where)
    if allowed is not None:
        no_stray(sorted(set(value) - set(allowed)), where, f"known keys: {', '.join(sorted(allowed))}")
    return value


def no_stray(names: Sequence[str], where: str, why: str) -> None:
    """Refuse names that should not be there.

    Raises:
        WardeinError: If there are any.
    """
    if names:
        raise WardeinError(f"has an unknown key {names[0]!r}", where=where, mend=why)


def items(value: Any, where: str) -> list[Any]:
    """A list.

    Raises:
        WardeinError: If it is not.
    """
    if not isinstance(value, list):
        raise WardeinError("is not a list", where=where)
    return value


def number(value: Any, where: str) -> float:
    """A finite number of 0 or more.

    Raises:
        WardeinError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e15:
        raise WardeinError(f"{value!r} is not a number of 0 or more", where=where)
    if not math.isfinite(value):
        raise WardeinError(f"{value!r} is not a finite number", where=where)
    return float(value)


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
        raise WardeinError(f"{value!r} is none of {', '.join(map(str, allowed))}", where=where)
    return value


def _strict_loader(yaml: Any) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML's class, imported late
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
            return super().compose_node(parent, index)

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        pairs = [
            (loader.construct_object(key, deep=True), loader.construct_object(item, deep=True))
            for key, item in node.value
        ]
        names = [name for name, _ in pairs]
        if len(set(map(str, names))) != len(names):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return dict(pairs)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
