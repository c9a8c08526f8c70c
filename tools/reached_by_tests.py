# SPDX-License-Identifier: Apache-2.0
"""The probes that tools/mutate.py puts at guards: each notes which test saw the guard do something.

It stands in the copy of the checkout that the tests run in, also for the processes that they start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

_seen: set[tuple[str, str]] = set()


def value(key: str, found: Any) -> Any:
    """A condition, or an entry: true or false."""
    _note(key + ("+" if found else "-"))
    return found


def told(key: str, found: Iterable[Any]) -> list[Any]:
    """Reasons: some, or none."""
    found = list(found)
    _note(key + ("+" if found else "-"))
    return found


def effect(key: str, call: Callable[[], Any]) -> Any:
    """A call of what checks: noted if it raises."""
    try:
        return call()
    except BaseException:
        _note(f"{key}+")
        raise


def step(key: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A verification step: noted if it has a reason against, or raises."""

    def asked(*arguments: Any) -> Any:
        found = effect(key, lambda: function(*arguments))
        _note(key + ("+" if found else "-"))
        return found

    return asked


def _note(line: str) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if test and (test, line) not in _seen:
        _seen.add((test, line))
        with open(os.environ["WARDEIN_REACHED"], "a", encoding="utf-8") as file:
            file.write(f"{line}\t{test}\n")
