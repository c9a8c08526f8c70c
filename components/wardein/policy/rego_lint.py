# SPDX-License-Identifier: Apache-2.0
"""The portable profile: the Rego that Open Policy Agent and regopy read alike, and that reaches nothing outside.

Everything else is refused by file and line. It reads tokens, brackets and scopes, and knows neither types nor values:
docs/rego.md tells what it therefore cannot see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from wardein.errors import WardeinError
from wardein.policy.rego_document import Document, all_members, members
from wardein.policy.rego_text import Module, Token, refuse

# The built-in functions whose results were found equal, with how many arguments each takes.
BUILTINS = {
    **dict.fromkeys(("count", "max", "min", "union", "intersection", "type_name", "object.keys"), 1),
    **dict.fromkeys((f"is_{kind}" for kind in ("number", "string", "boolean", "array", "object", "set", "null")), 1),
    **dict.fromkeys(("contains", "startswith", "endswith", "trim_prefix", "trim_suffix", "sprintf"), 2),
    **dict.fromkeys(("array.concat", "strings.any_prefix_match", "strings.any_suffix_match"), 2),
    "object.get": 3,
}
# What operators are called inside of OPA: a rule of that name would change what the operator does.
OPERATORS = frozenset(
    {"assign", "eq", "equal", "neq", "lt", "lte", "gt", "gte", "and", "or", "plus", "minus", "mul", "div", "rem"}
    | {"internal"}
)
IN_BODIES = frozenset({"false", "in", "not", "null", "some", "true"})
KEYWORDS = IN_BODIES | {
    "as",
    "contains",
    "data",
    "default",
    "else",
    "every",
    "if",
    "import",
    "input",
    "package",
    "with",
}
MEMBERS = all_members()
NULLABLE = frozenset({"ci_low", "ci_high", "database_age_days"})
_RESERVED = KEYWORDS | OPERATORS | {name.split(".")[0] for name in BUILTINS} | {"set", "_"}
_OPEN, _CLOSE = frozenset("{[("), frozenset("}])")
_ORDERING = frozenset({"<", "<=", ">", ">=", "max", "min"})
# What may be negated, in the letters of _kind: a reference, also compared with a value; a call with values; values.
_NEGATED = re.compile(
    r"[vrn](\.n|\[[vs]\])*(==[vs])?"
    r"|n(\.n)*\([vs](,[vs])*\)"
    r"|[vs]i([vr]|\{s(,s)*\}|\[s(,s)*\])"
    r"|[vs](==|=)[vs]"
)
_PORTABLE = "docs/rego.md has the portable profile"


def refusals(modules: Sequence[Module]) -> tuple[str, ...]:
    """Why the modules are not in the portable profile, one line for each statement; empty if they are."""
    reasons: list[str] = []
    heads: list[_Head] = []
    for module in modules:
        for statement in module.statements:
            try:
                heads.append(_head(module.name, statement))
            except WardeinError as error:
                reasons.append(str(error))
    rules = {head.name: head for head in heads}
    uses: dict[str, set[str]] = {name: set() for name in rules}
    defaults: set[str] = set()
    for head in heads:
        try:
            _check_same_kind(head, rules[head.name], defaults)
            if not head.default:
                uses[head.name] |= _Body(head, rules).check()
        except WardeinError as error:
            reasons.append(str(error))
    missing = [name for name in ("allow", "deny") if name not in rules]
    reasons += [f"no module defines {name!r}; write: {_IDIOM[name]}" for name in missing]
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        reasons.append(f"rules refer to each other in a circle: {', '.join(error.args[1])}; rules cannot be recursive")
    return tuple(reasons)


_IDIOM = {"allow": "default allow := true", "deny": "deny contains message if { … }"}


@dataclass(frozen=True)
class _Head:
    """How a statement defines a rule: its kind is ``set``, ``value`` or ``function``; the rest of it is its body."""

    file: str
    name: str
    kind: str
    arguments: tuple[str, ...]
    rest: tuple[Token, ...]
    line: int
    default: bool = False


def _head(file: str, tokens: Sequence[Token]) -> _Head:
    first = tokens[0]
    words = [token.text for token in tokens if token.kind != "line"]
    if first.text == "default":
        plain = len(words) == 4 and words[2] == ":=" and re.match(r'["0-9-]|(true|false|null)$', words[3])
        if not plain or not _is_free(tokens[1]):
            raise refuse(file, first.line, "is not a plain default", "write: default NAME := VALUE, without a body")
        return _Head(file, words[1], "value", (), (), first.line, default=True)
    if first.kind != "name" or first.text in _RESERVED:
        raise refuse(file, first.line, f"{first.text!r} cannot begin a rule or be its name", _PORTABLE)
    arguments: tuple[str, ...] = ()
    rest = list(tokens[1:])
    if rest and rest[0].text == "(":
        end = next(index for index, token in enumerate(rest) if token.text == ")")
        inside = [token for token in rest[1:end] if token.kind != "line"]
        arguments = tuple(token.text for token in inside[::2])
        commas = all(token.text == "," for token in inside[1::2])
        if not commas or len(inside) % 2 == 0 or not all(_is_free(token) for token in inside[::2]):
            raise refuse(file, first.line, "an argument is not a plain name", "compare with values in the body")
        if len(set(arguments)) < len(arguments):
            raise refuse(file, first.line, "two arguments have one name", "name them apart")
        rest = rest[end + 1 :]
    word = rest[0].text if rest else ""
    if word not in (":=", "if", "contains") or (word == "contains" and arguments):
        raise refuse(
            file, first.line, f"after {first.text!r} comes {word!r}", "write NAME :=, NAME if or NAME contains"
        )
    kind = "function" if arguments else "set" if word == "contains" else "value"
    return _Head(file, first.text, kind, arguments, tuple(rest if word == "if" else rest[1:]), first.line)


def _is_free(token: Token) -> bool:
    return token.kind == "name" and token.text not in _RESERVED


def _check_same_kind(head: _Head, other: _Head, defaults: set[str]) -> None:
    if (head.kind, len(head.arguments)) != (other.kind, len(other.arguments)):
        raise refuse(head.file, head.line, f"{head.name!r} is defined in two ways, the other in {other.file}",
                     "name them apart")  # fmt: skip
    if head.default and head.name in defaults:
        raise refuse(head.file, head.line, f"{head.name!r} has two defaults", "keep one")
    defaults |= {head.name} if head.default else set()


@dataclass
class _Scope:
    """What is between two brackets, or a rule as a whole.

    Attributes:
        names: The variables that were declared so far.
        pending: Those whose declaration has not ended: nobody may use them in what they are taken from.
        awaits: Whether its head, which comes before the declarations, is being read.
        awaited: The variables that the head uses.
        body: Whether it is a rule's body.
        statements: Whether expressions stand in it: it is a rule's body, or a comprehension.
    """

    names: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    awaits: bool = False
    awaited: list[Token] = field(default_factory=list)
    body: bool = False
    statements: bool = False


class _Body:
    """One pass over what a rule says, with the variables that are in scope."""

    def __init__(self, head: _Head, rules: Mapping[str, _Head]) -> None:
        self._file, self._rules = head.file, rules
        self._all = head.rest
        self._tokens = [Token("line", "\n", head.line, 0), *head.rest, Token("line", "\n", head.line, 0)]
        self._scopes = [_Scope(set(head.arguments), awaits=any(token.text == "if" for token in head.rest))]
        self._rules_used: set[str] = set()

    def check(self) -> set[str]:
        """The rules that this one refers to.

        Raises:
            WardeinError: If it leaves the portable profile.
        """
        self._check_guards()
        at = 1
        while at < len(self._tokens):
            at += self._step(at, self._tokens[at])
        self._close(self._scopes.pop())
        return self._rules_used

    def _step(self, at: int, token: Token) -> int:
        """Check one token; how many were read."""
        if token.text in ("\n", ";"):
            self._end_declaration()
        elif token.text in _OPEN:
            self._open(at)
        elif token.text in _CLOSE:
            self._end_declaration()
            self._close(self._scopes.pop())
            return 1 + self._path(at + 1, None)
        elif token.text == "|":
            self._bar(token)
        elif token.text == ":=":
            raise self._refused(token, "':=' does not stand behind a name at the beginning of an expression",
                                "assign one name at a time")  # fmt: skip
        elif token.kind == "number" and token.text[0] == "-" and self._ends_operand(at - 1):
            raise self._refused(token, "arithmetic differs between engines", "the document holds what is computed")
        elif token.kind == "name":
            return self._name(at, token)
        elif token.text == ".":
            raise self._refused(token, "'.' does not stand behind a name or ']'", _PORTABLE)
        return 1

    def _name(self, at: int, token: Token) -> int:
        if token.text == "some":
            return self._declaration(at, token)
        if token.text == "input":
            return 1 + self._path(at + 1, members(Document))
        if token.text in IN_BODIES | {"every", "if", "_"}:
            self._word(at, token)
            return 1
        end = at + 1
        while self._text(end) == "." and self._tokens[end + 1].kind == "name":
            end += 2
        if self._text(end) == "(" and (token.text not in KEYWORDS or token.text in BUILTINS):
            self._call(at, end)
            return end - at
        if self._text(at + 1) == ":=" and self._text(at - 1) in ("\n", ";", "{", "|", "if"):
            self._declare(token)
            return 2
        self._use(token)
        return 1 + self._path(at + 1, None)

    def _word(self, at: int, token: Token) -> None:
        if token.text == "every":
            mend = "count the exceptions: count([x | some x in xs; …]) == 0"
            raise self._refused(token, "'every' differs between engines", mend)
        if token.text == "not":
            self._check_negated(at)
        if token.text == "if":
            if len(self._scopes) > 1 or not self._scopes[0].awaits:
                raise self._refused(token, "a second 'if'", "a rule has one head and one body; write two rules")
            self._scopes[0].awaits = False
        if token.text == "_" and (self._text(at - 1), self._text(at + 1)) != ("[", "]"):
            raise self._refused(token, "'_' stands outside of [_]", "name the variable")
        if token.text == "_" and not (len(self._scopes) == 2 or self._scopes[-2].statements):
            raise self._refused(token, "[_] inside of a term is not portable", "write before: some x in xs")

    def _path(self, at: int, known: Mapping[str, object] | None) -> int:
        """Check the members that follow: a misspelt one would be undefined, and a deny rule would be silent."""
        if known is not None and self._text(at) != ".":
            raise self._refused(self._tokens[at - 1], "'input' is used without a member", "write input.MEMBER")
        start = at
        while self._text(at) == ".":
            token = self._tokens[at + 1]
            if token.text not in (MEMBERS if known is None else known):
                hint = 'own objects and settings take brackets: parameters["epsilon"]'
                raise self._refused(token, f"the document has no member {token.text!r} here", hint)
            known = None if known is None else members(known[token.text])
            at += 2
        return at - start

    def _call(self, at: int, opening: int) -> None:
        name = "".join(token.text for token in self._tokens[at:opening])
        wanted = BUILTINS.get(name, 0 if name == "set" else None)
        if name in self._rules and self._rules[name].kind == "function":
            wanted = len(self._rules[name].arguments)
            self._rules_used.add(name)
        if wanted is None:
            raise self._refused(self._tokens[at], f"calls {name!r}, which is not in the portable profile", _PORTABLE)
        given = self._items(opening)
        if given != wanted:
            raise self._refused(self._tokens[at], f"{name!r} takes {wanted} arguments, not {given}", _PORTABLE)
        if name == "sprintf":
            self._check_format(opening)
        if name == "object.get" and self._inside(opening)[-1].kind == "string":
            mend = "give null, and ask for null"
            raise self._refused(self._tokens[at], "object.get with text as the default is not portable", mend)

    def _check_format(self, opening: int) -> None:
        text, comma, bracket = self._tokens[opening + 1 : opening + 4]
        verbs = re.findall(r"%(.?)", text.text)
        literal = text.kind == "string" and (comma.text, bracket.text) == (",", "[")
        if not literal or not set(verbs) <= {"s", "v", "%"}:
            raise self._refused(text, "sprintf is used in a way that differs between engines",
                                'write sprintf("…", […]) with %s and %v')  # fmt: skip
        if len([verb for verb in verbs if verb != "%"]) != self._items(opening + 3):
            raise self._refused(text, "sprintf has not as many values as places", "give one value for each %s and %v")

    def _declaration(self, at: int, token: Token) -> int:
        """``some x in`` and ``some k, v in``."""
        end = at + 1
        while self._text(end) != "in" and self._tokens[end].kind != "line":
            end += 1
        names = self._tokens[at + 1 : end]
        plain = [name for index, name in enumerate(names) if _is_free(name) == (index % 2 == 0)]
        if self._text(end) != "in" or len(names) not in (1, 3) or len(plain) < len(names):
            raise self._refused(token, "'some' is not followed by plain names and 'in'", "write: some x in xs")
        if len(names) == 3 and len(self._scopes) > 1 and not self._scopes[-1].body:
            raise self._refused(token, "two names in a comprehension are not portable", "iterate in a rule's body")
        for name in names[::2]:
            self._declare(name)
        return end - at + 1

    def _declare(self, token: Token) -> None:
        taken = set().union(*(scope.names | scope.pending for scope in self._scopes))
        if token.text in _RESERVED or token.text in self._rules or token.text in taken:
            raise self._refused(token, f"{token.text!r} is taken already", "choose another name")
        self._scopes[-1].pending.add(token.text)

    def _end_declaration(self) -> None:
        self._scopes[-1].names |= self._scopes[-1].pending
        self._scopes[-1].pending = set()

    def _use(self, token: Token) -> None:
        name = token.text
        if name in self._rules and self._rules[name].kind != "function":
            self._rules_used.add(name)
        elif name in _RESERVED or name in self._rules:
            raise self._refused(token, f"{name!r} is not in the portable profile here", _PORTABLE)
        elif not any(name in scope.names for scope in self._scopes):
            waiting = [scope for scope in self._scopes if scope.awaits]
            if not waiting:
                raise self._undeclared(token)
            waiting[-1].awaited.append(token)

    def _open(self, at: int) -> None:
        """A bracket opens: a rule's body, or a term with names of its own."""
        if self._text(at) == "{" and self._ends_operand(at - 1):
            raise self._refused(self._tokens[at], "a body without 'if'", "write 'if' before it, as in Rego v1")
        if self._text(at) == "{" and self._text(at - 1) == "if":
            self._scopes.append(_Scope(self._scopes[-1].names, body=True, statements=True))
        else:
            comprehends = self._has_bar(at)
            self._scopes.append(_Scope(awaits=comprehends, statements=comprehends))

    def _close(self, scope: _Scope) -> None:
        for token in scope.awaited:
            if token.text in scope.names:
                continue
            waiting = [outer for outer in self._scopes if outer.awaits]
            if not waiting:
                raise self._undeclared(token)
            waiting[-1].awaited.append(token)

    def _bar(self, token: Token) -> None:
        if len(self._scopes) == 1 or not self._scopes[-1].awaits:
            raise self._refused(token, "'|' outside of a comprehension", "write union({a, b})")
        self._scopes[-1].awaits = False

    def _has_bar(self, opening: int) -> bool:
        return self._text(opening) != "(" and any(t.text == "|" for t in self._inside(opening))

    def _items(self, opening: int) -> int:
        """How many items a bracket holds."""
        inside = [token for token in self._inside(opening) if token.kind != "line"]
        return len([token for token in inside if token.text == ","]) + bool(inside)

    def _inside(self, opening: int) -> list[Token]:
        """The tokens of a bracket at its own level; what it encloses is there with its first sign only."""
        depth, found = 0, []
        for token in self._tokens[opening:]:
            if token.text in _CLOSE:
                depth -= 1
            elif depth == 1:
                found.append(token)
            depth += token.text in _OPEN
            if depth == 0:
                break
        return found

    def _check_negated(self, at: int) -> None:
        """OPA works out what a negated expression is about before it negates, and is then undefined; regopy negates."""
        kinds = ""
        for index in range(at + 1, len(self._tokens)):
            token = self._tokens[index]
            if token.kind == "line" or token.text == ";" or (token.text in _CLOSE and self._leaves(at, index)):
                break
            kinds += self._kind(index, token)
        if not _NEGATED.fullmatch(kinds):
            mend = "negate a reference, or give what is computed a name before: x := …, then not x in xs"
            raise self._refused(self._tokens[at], "'not' stands before what engines negate differently", mend)

    def _leaves(self, start: int, end: int) -> bool:
        """Whether the closing bracket is that of a bracket that was open at the start."""
        texts = [token.text for token in self._tokens[start:end]]
        return sum(text in _OPEN for text in texts) == sum(text in _CLOSE for text in texts)

    def _kind(self, index: int, token: Token) -> str:
        """A letter: variable, scalar, set of rules, name of anything else, or the sign itself."""
        if token.kind in ("string", "number") or token.text in ("true", "false", "null"):
            return "s"
        if token.kind == "sign":
            return "=" if token.text in ("!=", "<", "<=", ">", ">=") else token.text
        if token.text == "in":
            return "i"
        if self._text(index - 1) != "." and any(token.text in scope.names for scope in self._scopes):
            return "v"
        return "r" if token.text in self._rules and self._rules[token.text].kind == "set" else "n"

    def _check_guards(self) -> None:
        """Engines order null and numbers differently: what may be null is asked for being a number first."""
        words = {token.text for token in self._all}
        loose = sorted(words & NULLABLE)
        loose += ["parameters"] if "parameters" in words and words & _ORDERING else []
        if loose and not words & {"is_number", "is_null"}:
            raise self._refused(self._all[0], f"{loose[0]!r} may be no number", "ask is_number(…) in the same rule")

    def _ends_operand(self, at: int) -> bool:
        token = self._tokens[at]
        return token.kind in ("string", "number") or token.text in _CLOSE or (
            token.kind == "name" and token.text not in KEYWORDS - {"true", "false", "null"}
        )  # fmt: skip

    def _text(self, at: int) -> str:
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _undeclared(self, token: Token) -> WardeinError:
        return self._refused(
            token, f"{token.text!r} is not declared here", "declare it before: some x in xs, or x := …"
        )

    def _refused(self, token: Token, what: str, mend: str) -> WardeinError:
        return refuse(self._file, token.line, what, mend)
