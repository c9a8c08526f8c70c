# SPDX-License-Identifier: Apache-2.0
"""What a value is: a placeholder or not, its masked shape, and an identity from which it cannot be told."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from functools import lru_cache

# Values that vendors print in their documentation, which open nothing.
_DOCUMENTED = ("EXAMPLE", "example", "xxxx", "XXXX", "****", "....", "0000000000", "1234567890abcdef1234567890abcdef")
_PLACEHOLDER = re.compile(
    # As words of their own: strong passwords hold some of them by chance.
    r"(?<![A-Za-z])(?:change[_\- ]?(?:me|it|this)|place[_\- ]?holder|your[_\-. ]|insert[_\- ]|to[_\-]be[_\-]|"
    r"replace[_\- ]?(?:me|with|this)|(?:example|redacted|dummy|sample|todo|fixme)s?(?:(?![A-Za-z])|(?-i:(?=[A-Z])))|"
    r"not[_\-]?(?:a[_\-]?)?(?:real|used|set))|(?-i:EXAMPLE)|^my[_\-]|xxx|\*\*\*|\.\.\.|…|"
    r"^(?:fake|mock|none|null|true|false|undefined|empty|default|secret|password|passwd|pass|pwd|pw|token|string|unused|unknown)[\W\d]{0,3}$",
    re.IGNORECASE,
)
# What is filled in later: shell, templates, formats, secret references. Parts of it that are none are looked at alone.
_REFERENCE = re.compile(
    r"^(?:\$\w|\$\{|\$\(|\{\{|\{%|<[^<>]{1,80}>$|%\(|%s|%\w{1,40}%$|\{[\w.\[\]\"']{0,60}\}$|@\w{1,20}\.|"
    r"(?:env|vault|aws-sm|gcp-sm|azure-kv|op|ssm|secretref|secret|kms|sops|keyring|doppler|file)://|"
    r"(?:arn:|projects/[^/]{1,80}/secrets/|secretKeyRef|valueFrom|os\.environ|os\.getenv|process\.env|!vault|ENC\[))",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"\$\{[^}]{0,200}\}|\$\([^)]{0,200}\)|\{\{.{0,200}?\}\}|"
    r"\{[A-Za-z_]\w{0,60}\}|<[A-Za-z_][\w \-]{0,60}>|%\(\w{1,60}\)s"
)
_CLASSES = {"lower case": "[a-z]", "upper case": "[A-Z]", "digits": "[0-9]", "others": r"[^A-Za-z0-9]"}
# Fixed on purpose: the same secret has the same identity in every run and on every machine.
_SALT = b"wardein secret identity 1"


def is_documented(value: str) -> bool:
    """Whether a value of a known form is one of those that documentation is written with."""
    return any(text in value for text in _DOCUMENTED) or len(set(value[4:])) <= 4 < len(value)


def is_placeholder(value: str) -> bool:
    """Whether a value stands for one that is filled in elsewhere."""
    return bool(
        _REFERENCE.search(value)
        or _PLACEHOLDER.search(value)
        or _TEMPLATE.fullmatch(value)
        or len(set(value)) <= 2
        or value.lower() in ("abcdefgh", "12345678", "123456", "1234567890")
    )


def is_reference(value: str) -> bool:
    """Whether next to nothing of a value is left once what templates fill in is taken away."""
    rest = _TEMPLATE.sub("", value)
    return bool(_REFERENCE.search(value)) or (rest != value and len(rest.strip()) < 4)


def bits(value: str) -> float:
    """Shannon's entropy of the value's characters, times its length."""
    counted = Counter(value)
    return -sum(n * math.log2(n / len(value)) for n in counted.values())


def classes(value: str) -> list[str]:
    """The kinds of characters in a value."""
    return [name for name, kind in _CLASSES.items() if re.search(kind, value)]


def shape(value: str, prefix: int) -> str:
    """The only thing that is ever told of a value: what all of its kind begin with, its length and its characters."""
    public = value[:prefix]
    return f"{public}**** ({len(value)} characters: {', '.join(classes(value))})"


@lru_cache(maxsize=4096)
def identity(value: str) -> str:
    """Sixteen bits of a slow hash of the value.

    A baseline must not hide a secret that took another's place, so the identity depends on the value. A report must
    not help to guess it, so there are only 16 bits of it: of all the wrong guesses, one in 65,536 looks right, and
    each guess costs as much time and memory as this did. A strong secret is safe either way. Of a list of a million
    weak passwords some fifteen remain; a secret that stands in such a list is no secret before it is reported. The
    price is that one new secret in 65,536, on a line that is otherwise the same, is taken for the one in the baseline.
    """
    secret = value.encode("utf-8", "backslashreplace")
    return hashlib.scrypt(secret, salt=_SALT, n=2**13, r=8, p=1, dklen=2).hex()
