# SPDX-License-Identifier: Apache-2.0
"""What another scanner says of the same texts, told of the files that they came from.

It reads the texts that wardein read (a notebook's cells, the members of archives, the objects of history), so that it
needs no readers of its own, and what it finds in one place is the same secret as what was found there before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wardein.scan.merge import Found
from wardein.secrecy.reading import Piece
from wardein.secrecy.search import Secret
from wardein.tools.gitleaks import Leak

# A first line of our own: gitleaks passes over what begins like an archive.
_HEADING = "text\n"
# gitleaks counts columns from another place in lines after the first one.
_SLACK = 2
_RULES = {
    "aws-access-token": "secret/aws-access-key-id",
    "gcp-api-key": "secret/google-api-key",
    "private-key": "secret/private-key",
    "jwt": "secret/jwt",
    "slack-webhook-url": "secret/webhook",
    "curl-auth-user": "secret/basic-auth",
    "curl-auth-header": "secret/bearer-token",
    "generic-api-key": "secret/password",
    "kubernetes-secret-yaml": "secret/kubernetes-secret",
    "huggingface-access-token": "secret/huggingface-token",
    "huggingface-organization-api-token": "secret/huggingface-token",
    "pypi-upload-token": "secret/pypi-token",
    "npm-access-token": "secret/npm-token",
    "databricks-api-token": "secret/databricks-token",
    "vault-service-token": "secret/vault-token",
    "vault-batch-token": "secret/vault-token",
    "openai-api-key": "secret/openai-key",
    "anthropic-api-key": "secret/anthropic-key",
    "anthropic-admin-api-key": "secret/anthropic-key",
    "stripe-access-token": "secret/stripe-key",
    "azure-ad-client-secret": "secret/azure-client-secret",
}
_FAMILIES = {"github-": "secret/github-token", "gitlab-": "secret/gitlab-token", "slack-": "secret/slack-token"}


@dataclass
class Texts:
    """The texts, laid out in a private folder under neutral names.

    Attributes:
        folder: Where they lie.
        bytes: How many bytes they have.
    """

    folder: Path
    bytes: int = 0
    _known: list[tuple[str, Piece, tuple[Secret, ...]]] = field(default_factory=list)

    def keep(self, path: str, piece: Piece, secrets: Sequence[Secret]) -> None:
        """Lay out one piece, with the secrets that are known in it."""
        content = (_HEADING + piece.text).encode("utf-8", "replace")
        (self.folder / self._name(len(self._known))).write_bytes(content)
        self.bytes += len(content)
        self._known.append((path, replace(piece, text="", pairs=()), tuple(secrets)))

    @property
    def names(self) -> list[str]:
        """The names of the files."""
        return [self._name(number) for number in range(len(self._known))]

    def opinions(self, leaks: Sequence[Leak], known: Mapping[str, Sequence[Secret]], tool: str) -> Iterator[Found]:
        """What the scanner found, under the rule and at the place of a known secret where it is one."""
        told: set[str] = set()
        for leak in leaks:
            path, piece, secrets = self._known[int(leak.file.partition(".")[0])]
            name = f"{tool}:{leak.rule}"
            inside = [s for s in secrets if _overlap(s, leak)]
            same = [own for s in inside for own in _of_value(s.value, path, known)]
            if same:
                yield replace(same[0][1].found(same[0][0]), tool=name)
                continue
            value, called = self._value(leak)
            if value not in told:
                told.add(value)
                line = leak.line - 2 + piece.first if piece.first else 0
                secret = Secret(_rule(leak.rule), value, piece.part, line, line and line + leak.last - leak.line)
                yield replace(replace(secret, called=called).found(path), tool=name)

    def _value(self, leak: Leak) -> tuple[str, str]:
        """What it found, which it does not say, and the rule, by which it is recognised."""
        lines = (self.folder / leak.file).read_text("utf-8").split("\n")[leak.line - 1 : leak.last]
        text = "\n".join(lines)
        is_one = len(lines) == 1 and leak.columns[1] > leak.columns[0]
        return (text[max(leak.columns[0] - 2, 0) : leak.columns[1]] if is_one else text), leak.rule

    @staticmethod
    def _name(number: int) -> str:
        return f"{number:06d}.txt"


def _overlap(secret: Secret, leak: Leak) -> bool:
    """Whether both are in one place of a text, which has a heading above it for the other scanner."""
    first, last = secret.line + 1, max(secret.last, secret.line) + 1
    if not secret.line or first > leak.last or last < leak.line:
        return False
    if first != leak.line or secret.columns == (0, 0):
        return True
    return secret.columns[0] <= leak.columns[1] + _SLACK and leak.columns[0] - _SLACK <= secret.columns[1]


def _of_value(value: str, path: str, known: Mapping[str, Sequence[Secret]]) -> list[tuple[str, Secret]]:
    """Where a value is reported, the file itself before others."""
    here = [(path, secret) for secret in known.get(path, ()) if secret.value == value]
    return here or [(p, secret) for p, secrets in known.items() for secret in secrets if secret.value == value]


def _rule(name: str) -> str:
    family = next((rule for start, rule in _FAMILIES.items() if name.startswith(start)), "secret/foreign")
    return _RULES.get(name, family)
