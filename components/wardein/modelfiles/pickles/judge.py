# SPDX-License-Identifier: Apache-2.0
"""Who says what a stream may name, and what it may do with what it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wardein.modelfiles.allowlist import Allowlist, Use, audited
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.pickles import rules
from wardein.modelfiles.pickles.arguments import ARGUMENTS, TAKE_A_CLASS, canonical
from wardein.modelfiles.pickles.atoms import Atoms
from wardein.modelfiles.pickles.dangerous import is_dangerous
from wardein.modelfiles.pickles.dtypes import set_state
from wardein.modelfiles.pickles.persistent import Storages
from wardein.modelfiles.pickles.refused import Refused
from wardein.modelfiles.pickles.states import judge_state
from wardein.modelfiles.pickles.teller import Teller
from wardein.modelfiles.pickles.values import Box, Dtype, Global, Instance, Unknown, Value

_LONGEST = 300
_DEEPEST = 4


class Judge:
    """Judges what one content's pickles do.

    Attributes:
        content: The content.
        atoms: Its plain values.
        storages: The storages of torch that it refers to.
        uneven: Why unpicklers may disagree on a stream that came to its end; empty if they do not.
    """

    def __init__(self, content: Content, examination: Examination) -> None:
        self.content, self.examination = content, examination
        self.atoms = Atoms(content)
        self.storages = Storages()
        self.uneven = ""
        self._teller = Teller(content, examination)
        self._globals: dict[tuple[str, str, bool], Global] = {}

    def flush(self) -> None:
        """Tell what was found until now."""
        self._teller.flush()

    def conclude(self) -> None:
        """See to it that all streams are ones that unpicklers agree on.

        Raises:
            Unexamined: If they are not.
        """
        if self.uneven:
            raise Unexamined(self.uneven)

    def find(self, module: str, name: str, protocol: int, at: int) -> Global:
        """What a module and a name stand for."""
        key = module, name, protocol < 3
        if key not in self._globals:
            uses = uses_of(self.examination.allowed, module, name, old=protocol < 3)
            found = self._globals[key] = Global(module, name, uses, at)
            if uses is None:
                self._teller.name(rules.CODE if is_dangerous(module, name) else rules.UNKNOWN, found)
        return self._globals[key]

    def computed(self, module: Value, name: Value, at: int) -> Value:
        """Something named by what is no plain text."""
        text = f"{self.atoms.show(module)}.{self.atoms.show(name)}"
        self._teller.tell(rules.COMPUTED, at, f"refers to something by a computed name, {text}")
        return Unknown(text)

    def extension(self, number: int, at: int) -> Value:
        """Something named by its number in a register of the loading process."""
        self._teller.tell(rules.EXTENSION, at, f"refers to the extension with the number {number}")
        return Unknown(f"extension {number}")

    def leftover(self, at: int) -> None:
        """There was more on the stack than the value that is returned."""
        self._teller.tell(rules.LEFTOVER, at, "ends with more values than the one it returns")

    def call(self, what: Value, args: Value, at: int) -> Value:
        """What a call gives."""
        self.atoms.work(4)
        if isinstance(what, Unknown):
            return what
        if not isinstance(what, (Global, Instance)):
            raise Unexamined(f"calls what cannot be called at byte {at}")
        if isinstance(what, Instance):
            return self._refused(at, f"calls an object, {self._text(what, args)}")
        if what.uses is None:
            return self._called(what, args, at)
        if "call" not in what.uses:
            text = self._text(what, args)
            return self._refused(at, f"calls {text}, which is only known to be harmless as a value or when restored")
        return self._applied(what, args, at)

    def new(self, what: Value, args: Value, keywords: Value | None, at: int) -> Value:
        """What comes of making an object without its constructor."""
        self.atoms.work(4)
        if isinstance(what, Unknown):
            return what
        if not isinstance(what, Global):
            raise Unexamined(f"makes an object of what is no class at byte {at}")
        if what.uses is None:
            return self._called(what, args, at)
        if not what.uses & {"new", "call"}:
            text = self._text(what, args)
            return self._refused(at, f"makes an object of {text}, which is only known to be harmless as a value")
        if keywords is not None and self.atoms.items(keywords) not in ([], ()) and canonical(what) in ARGUMENTS:
            return self._refused(at, f"makes an object of {self._text(what, args)} with named arguments")
        return self._applied(what, args, at)

    def build(self, made: Value, state: Value, at: int) -> Value:
        """What setting an object's state gives: the object."""
        self.value(state, at)
        self.atoms.work(4)
        if isinstance(made, Global):
            if made.uses is None:
                self._called(made, state, at)
            else:
                self._teller.tell(rules.STATE, at, f"changes {made.text} itself")
        elif isinstance(made, Dtype):
            self._tried(at, lambda: set_state(made, state, self.atoms))
        elif isinstance(made, Instance) or (isinstance(made, Box) and made.of):
            self._tried(at, lambda: judge_state(made, state, self.atoms))
        elif not isinstance(made, Unknown):
            raise Unexamined(f"sets the state of what has none at byte {at}")
        return made

    def value(self, value: Value, at: int) -> None:
        """Something is kept: an argument, a part of a state or of a container, or the result."""
        unfit = value if isinstance(value, Global) and not value.referable else None
        if unfit or (unfit := value.unfit if isinstance(value, Box) else None):
            self.stands(unfit, at)

    def stands(self, unfit: Global, at: int) -> None:
        """A global stands as a value that is only known to be harmless where the stream itself uses it."""
        self._teller.tell(rules.USE, at, f"holds {unfit.text}, which whoever uses the model could call")

    def fill(self, kind: str, target: Value, items: Sequence[Value], at: int) -> None:
        """Put items into a container, or whatever stands for one."""
        for item in items:
            self.value(item, at)
        if isinstance(target, Box) and target.kind == kind:
            target.extend(items)
        elif isinstance(target, int) and self.atoms.kind(target) == kind:
            pass  # of this one, what is in it is not kept
        elif isinstance(target, Global):
            self.build(target, Box("tuple", at, list(items[:3])), at)
        elif isinstance(target, Instance):
            if kind == "dict":
                self._tried(at, lambda: judge_state(target, Box("dict", at, list(items)), self.atoms))
        elif not isinstance(target, Unknown) and items:
            raise Unexamined(f"puts items into what is no {kind} at byte {at}")

    def outside(self, identifier: bytes, at: int) -> Value:
        """Something that the loader has, by a line of text."""
        self._teller.tell(rules.PERSISTENT, at, f"refers to something outside, {shown(identifier)}")
        return Unknown("something outside")

    def persistent(self, identifier: Value, at: int) -> Value:
        """Something that the loader has, by a value."""
        found = self.storages.find(identifier, self.atoms)
        if found is None:
            self._teller.tell(rules.PERSISTENT, at, f"refers to something outside, {self.atoms.show(identifier)}")
            return Unknown("something outside")
        return found

    def _applied(self, what: Global, args: Value, at: int) -> Value:
        """A call or a making that is allowed as such, if its arguments are."""
        rule = ARGUMENTS.get(canonical(what))
        if isinstance(args, Box) and args.unfit:
            # The class that it makes something of is no value.
            kept = args if rule not in TAKE_A_CLASS or args.items is None else Box("tuple", at, list(args.items[1:]))
            self.value(kept, at)
        if what.module.startswith("pandas") and self._opens_a_time_zone(args, _DEEPEST):
            return self._refused(at, f"calls {self._text(what, args)} with a time zone that is read from a file")
        if rule is None or self._vouched_for(what):
            return what.instance
        try:
            items = self.atoms.items(args)
            if items is None:
                raise Refused("with arguments that are not known")
            return rule(self, what, items, at)
        except Refused as reason:
            return self._refused(at, f"calls {self._text(what, args)} {reason}")

    def _opens_a_time_zone(self, value: Value, depth: int) -> bool:
        """Whether there is the name of a time zone among what pandas is given for which dateutil opens any file."""
        if self.atoms.kind(value) == "text":
            return (self.atoms.text(value) or "").startswith("dateutil/")
        items = self.atoms.items(value) if depth else None
        return any(self._opens_a_time_zone(item, depth - 1) for item in items or ())

    def _vouched_for(self, what: Global) -> bool:
        name = f"{what.module}.{what.name}"
        return self.examination.allowed.entries.get(name) is not audited().get(name)

    def _tried(self, at: int, judging: Callable[[], None]) -> None:
        try:
            judging()
        except Refused as reason:
            self._teller.tell(reason.rule, at, str(reason))

    def _called(self, what: Global, args: Value, at: int) -> Value:
        """A use of what is not allowed at all."""
        text = self._text(what, args)
        self._teller.call(what, text, at)
        return Unknown(text)

    def _refused(self, at: int, what: str) -> Value:
        self._teller.tell(rules.USE, at, what)
        return Unknown(what)

    def _text(self, what: Value, args: Value) -> str:
        given = self.atoms.show(args)
        given = given if given[:1] == "(" else f"({given})"
        return self.atoms.show(what) + (given[:-2] + ")" if given.endswith(",)") else given)[:_LONGEST]


def uses_of(allowed: Allowlist, module: str, name: str, *, old: bool) -> frozenset[Use] | None:
    """How a global may be used under every name that an unpickler makes of it; None if it is not allowed.

    Args:
        allowed: The entries.
        module: Its module as the stream has it.
        name: Its name as the stream has it.
        old: Whether the stream's protocol is one that Python 2 could write, whose names Python 3 translates.
    """
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    entry = allowed.get(module, name)
    translated = NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)
    if translated == (module, name):
        return entry.uses if entry else None
    new = allowed.get(*translated)
    if entry and new:
        return entry.uses & new.uses
    return new.uses if new and old else None
