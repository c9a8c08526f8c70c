# SPDX-License-Identifier: Apache-2.0
"""What is told of a pickle: each thing once, in the order of the stream, and only so many of them."""

from __future__ import annotations

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.pickles import rules
from wardein.modelfiles.pickles.values import Global
from wardein.scan.rules import Rule

# Picklers that write the code of functions and classes into their files.
_PACKERS = ("dill", "cloudpickle")
_MOST = 500
_MOST_CALLS = 10


class Teller:
    """Collects what is found in one content, and tells it at the end, or where the stream breaks off."""

    def __init__(self, content: Content, examination: Examination) -> None:
        self._content, self._examination = content, examination
        self._told: dict[tuple[str, str], tuple[int, Rule, str]] = {}
        self._named: dict[Global, tuple[Rule, list[tuple[str, int]]]] = {}

    def tell(self, rule: Rule, at: int, what: str) -> None:
        """Tell of something at an offset; the same thing again is not told again.

        Raises:
            Unexamined: If there is too much to tell.
        """
        if (rule.id, what) not in self._told:
            if len(self._told) >= _MOST:
                raise Unexamined(f"gives more than {_MOST} reasons not to load it")
            self._told[rule.id, what] = at, rule, what

    def name(self, rule: Rule, what: Global) -> None:
        """Remember something that the stream names; how it is called may follow."""
        if len(self._named) >= _MOST:
            raise Unexamined(f"gives more than {_MOST} reasons not to load it")
        self._named[what] = rule, []

    def call(self, what: Global, text: str, at: int) -> None:
        """Remember a call of something that was named before."""
        calls = self._named[what][1]
        if len(calls) < _MOST_CALLS and all(text != known for known, _ in calls):
            calls.append((text, at))

    def flush(self) -> None:
        """Tell everything."""
        told = [(at, rule, text, "") for at, rule, text in self._told.values()]
        for what, (rule, calls) in self._named.items():
            more = _advice(what) if rule is rules.UNKNOWN else ""
            if not calls:
                told.append((what.at, rule, f"refers to {what.text}", more))
            told += [(at, rule, f"calls {text}", more) for text, at in calls]
        self._told, self._named = {}, {}
        for at, rule, text, more in sorted(told, key=lambda one: one[0]):
            self._examination.tell(rule, self._content, f"{text} at byte {at}{more}", identity=text)


def _advice(what: Global) -> str:
    """What else there is to say of a name that is not known."""
    packer = next((name for name in _PACKERS if name in what.module.split(".")), "")
    if packer:
        return f"; {packer} packs code into what it writes, which nobody can look through here"
    return f"; who knows that it only builds data allows it with --allow {what.text}"
