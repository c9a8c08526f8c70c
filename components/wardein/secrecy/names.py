# SPDX-License-Identifier: Apache-2.0
"""Secrets that are told by what they are called: assignments, options, arguments, keys of documents."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wardein.secrecy import values

# Names whose value has a form of its own, so that it is believed whatever else it looks like.
_NAMED = (
    ("aws-secret-access-key", r"(?:aws_?)?secret_?access_?key(?:_?id)?|aws_?secret(?:_?key)?", r"[A-Za-z0-9/+]{40}"),
    ("aws-session-token", r"aws_?(?:session|security)_?token", r"[A-Za-z0-9/+=]{100,2000}"),
    ("wandb-key", r".*(?:wandb|weights_?and_?biases).*key|.*wandb.*", r"[0-9a-f]{40}"),
    ("comet-key", r".*comet.*(?:key|token)", r"[A-Za-z0-9]{25,50}"),
    ("kaggle-key", r".*kaggle.*(?:key|token)", r"[0-9a-f]{32}"),
    ("azure-storage-key", r".*(?:account|storage).*key", r"[A-Za-z0-9+/]{86}=="),
    ("fernet-key", r".*fernet.*", r"[A-Za-z0-9_\-]{43}="),
    ("kubeconfig", r"client_?key_?data", r"[A-Za-z0-9+/=\s]{40,20000}"),
)
NAMED = tuple((rule, re.compile(name, re.IGNORECASE), re.compile(form)) for rule, name, form in _NAMED)
# The last word, or words, of a name that holds a secret; and names that end so and do not.
_EDGE = r"(?:^|[\W_]|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
_SECRET = re.compile(
    rf"(?:password|passwd|passphrase|passcode|passwort|apikey|"
    rf"(?:{_EDGE}|(?:api|auth|access|app|bot|client|db|gh|github|hf|my|refresh|root|session|slack|sql|user|web))"
    rf"(?:pass|pwd|secret|token|credentials?|bearer)|"
    rf"(?:api|access|auth|secret|private|encryption|signing|account|storage|master|service|license|client)[\W_]?key)"
    rf"(?:[\W_]?(?:value|default|base64|b64|str|text|plain|raw|literal|\d{{1,3}}))?$",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"pass(?:word|wd|phrase|code|wort)?|pwd", re.IGNORECASE)
_NO_SECRET = re.compile(
    rf"{_EDGE}(?:pad|eos|bos|unk|sep|cls|mask|start|end|stop|special|next|prev|continuation|continue|page|pagination|image|"
    r"audio|video|csrf|xsrf|first|last|per|num|max|min|n|by|is|has|use|no|show|primary|foreign|public|sort|partition|tool|"
    r"eot|eom|role|prefix|suffix|separator|begin|decoder|output|prompt|completion|cancellation|request|"
    r"clientrequest|client_request|idempotency|sequence|dns)[\W_]?(?:token|key|secret|pass|password|credentials?)s?$",
    re.IGNORECASE,
)
# An assignment: a name with one of these words in it, a sign, a value. The words come first, as they are rare.
_WORDS = (
    r"(?:passw(?:or)?d|passphrase|passcode|passwort|pwd|pass|secret|token|credential|api[_\-.]?key|access[_\-.]?key|"
    r"auth[_\-.]?key|private[_\-.]?key|account[_\-.]?key|storage[_\-.]?key|encryption[_\-.]?key|signing[_\-.]?key|"
    r"master[_\-.]?key|service[_\-.]?key|license[_\-.]?key|client[_\-.]?key|fernet|wandb|kaggle|comet|bearer)"
)
_LIKELY = re.compile(_WORDS + "|key", re.IGNORECASE)
_QUOTED = r"(?P<quote>\\?[\"'])(?P<quoted>(?:(?!(?P=quote))[^\n]){1,4000})(?P=quote)"
_BARE = r"(?P<bare>[^\s\"'`,;()\[\]{}<>|]{4,1000}+)"
_WORD = re.compile(_WORDS)
_ASSIGNED = re.compile(
    rf"[\w.\-]{{0,60}}+(?P<close>\\?[\"'])?\]?[ \t]{{0,20}}"
    rf"(?::[ \t]{{0,4}}[A-Za-z_][\w.\[\] |]{{0,60}}+(?==)|\((?=[\"'])|"  # a type's annotation; NAME("value")
    rf")(?:=>|:=|==?|!=|:|,)?(?<=[=>:,(])[ \t]{{0,20}}(?:(?:default|value|key|val|return_value)[ \t]?=[ \t]?)?"
    rf"(?:[rbfuRBFU]{{0,2}}{_QUOTED}|{_BARE})"
)
_OPTION = re.compile(rf"(?<![\w\-])--?(?P<name>(?:[\w\-]{{0,40}}?)(?i:{_WORDS})[\w\-]{{0,20}})[ =]\s{{0,3}}{_QUOTED}")
_BARE_OPTION = re.compile(rf"(?<![\w\-])--?(?P<name>(?:[\w\-]{{0,40}}?)(?i:{_WORDS})[\w\-]{{0,20}})[ =]{_BARE}")
_ENV = re.compile(
    r"^[ \t]{0,40}(?:ENV|ARG)[ \t]{1,20}(?P<name>\w{1,100})[ \t]{1,20}(?P<bare>[^\s=\"']{4,1000}+)[ \t]*$", re.MULTILINE
)
_NAME_VALUE = re.compile(
    rf"name[\"']?\s{{0,5}}[=:]\s{{0,5}}[\"']?(?P<name>[\w.\-]{{1,100}})[\"']?\s{{0,40}},?\s{{0,40}}[\"']?(?:value|default)[\"']?\s{{0,5}}[=:]\s{{0,5}}{_QUOTED}"
)
_SIGN = re.compile(r"[=:>]\s*\Z")
_NAME_BEFORE = re.compile(r"[\w.\-]{0,100}\Z")
_NAME_REST = re.compile(r"[\w.\-]*")
# A word, words joined by signs, a module's attribute, a version: names of secrets and not secrets.
_IDENTIFIER = re.compile(r"[/@.:_\-]*(?:(?:[A-Za-z][a-z]*|[A-Z]+|[a-z]{0,2}\d{1,3})(?:[/@.:_\-]+|$|(?=[A-Z])))+")
_PATH = re.compile(r"(?:\.{0,2}/|~|[A-Za-z]:\\|[\w.+\-]{2,20}://(?![^/@]{0,200}:[^/@]{1,200}@))")
# An expression that looks for secrets, a style's class, what stands between two literals: no literal of a secret.
_SYNTAX = re.compile(r"\(\?|\[\^|A-Z|a-z|\\[dws]|^[,;:)\]}]|[\w.]*\.\$\w+(?:\.\w+)*$|^(?:[a-z]+[.\-])+\$\d$")
# In code, what is not quoted is an expression.
CODE = frozenset(
    (
        ".py",
        ".pyi",
        ".pyx",
        ".js",
        ".mjs",
        ".cjs",
        ".ts",
        ".jsx",
        ".tsx",
        ".vue",
        ".java",
        ".kt",
        ".scala",
        ".groovy",
        ".swift",
        ".go",
    )
    + (".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".cs", ".rb", ".php", ".pl", ".lua", ".r", ".m", ".jl", ".tf")
    + (".hcl", ".rego", ".proto", ".css", ".html", ".ps1")
)


@dataclass(frozen=True)
class Named:
    """A value and what it is called, where it stands in a text."""

    name: str
    value: str
    start: int
    end: int


def assignments(text: str, *, is_code: bool) -> Iterator[Named]:
    """Every value that is assigned to a name that sounds like a secret's; without quotes it counts outside of code."""
    lowered = lower(text)
    words = _WORD.finditer(lowered)
    assigned = (match for word in words if (match := _ASSIGNED.match(text, word.end())))
    others = (_OPTION, _NAME_VALUE) if is_code else (_OPTION, _NAME_VALUE, _ENV, _BARE_OPTION)
    for form in (assigned, *(form.finditer(text) for form in others)):
        for match in form:
            found = match.groupdict()
            kind = "quoted" if found.get("quoted") is not None else "bare"
            if kind == "bare" and (
                is_code or form is assigned and not _SIGN.search(text, match.start(), match.start(kind))
            ):
                continue
            name = found.get("name") or _name(text, match)
            value = _unescaped(found[kind]) if kind == "quoted" else found[kind].rstrip("\\")
            yield Named(name, value, match.start(kind), match.end(kind))


def rule_of(name: str, value: str, parents: tuple[str, ...] = ()) -> str:
    """The rule that a named value breaks; empty for none.

    Args:
        name: What it is called.
        value: It.
        parents: In a document, the names of what it is in, the outermost first.
    """
    value = value.strip()
    plain = name.lstrip("-").strip()[-100:]
    if len(value) < 4 or not _LIKELY.search(plain) or values.is_reference(value):
        return ""
    for rule, names, form in NAMED:
        if names.fullmatch(plain) and form.fullmatch(value):
            return "" if values.is_documented(value) else f"secret/{rule}"
    if values.is_placeholder(value) or not _SECRET.search(plain) or _NO_SECRET.search(plain):
        return ""
    if plain == "token" and "users" in parents and len(value) >= 16:
        return "secret/kubeconfig"
    return _strength(plain, value)


def lower(text: str) -> str:
    """The text in lower case, every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def decoded(value: str) -> str:
    """What a base64 value says, if it is a text; else nothing."""
    try:
        text = base64.b64decode("".join(value.split()) + "=" * (-len("".join(value.split())) % 4), validate=True)
        said = text.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return said if said.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else ""


def _strength(name: str, value: str) -> str:
    is_word = value.isalpha() and (value.islower() or value.istitle())
    if (
        is_word
        or _SYNTAX.search(value)
        or _PATH.match(value)
        or _IDENTIFIER.fullmatch(value)
        or (" " in value and not (_PASSWORD.search(name) and _is_phrase(value)))
        or len(value) > 2000
    ):
        return ""
    kinds = len(values.classes(value))
    is_password = bool(_PASSWORD.search(name))
    if kinds >= 2 and len(value) >= 12 and values.bits(value) >= 36:
        return "secret/password"
    if is_password and kinds >= 3 and len(value) >= 8:
        return "secret/password"
    if kinds >= 2 and len(value) >= (6 if is_password else 8):
        return "secret/weak-password"
    return ""


def _is_phrase(value: str) -> bool:
    """Whether it is a few words with digits or signs inside of each, which no prose has."""
    words = value.split(" ")
    return len(words) < 5 and all(len(word) > 3 and not word[:-1].isalpha() for word in words)


def _name(text: str, match: re.Match[str]) -> str:
    """What is before the value that was matched from the end of a word of the name."""
    before = _NAME_BEFORE.search(text, max(match.start() - 100, 0), match.start())
    rest = _NAME_REST.match(text, match.start())
    return (before[0] if before else "") + (rest[0] if rest else "")


def _unescaped(value: str) -> str:
    """A quoted literal without its backslashes, as far as secrets use them."""
    if "\\" not in value:
        return value
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", _character, value)


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else {"n": "\n", "t": "\t", "r": "\r"}.get(match[3], match[3])
