# SPDX-License-Identifier: Apache-2.0
"""in-toto Statement v1, written and read (https://github.com/in-toto/attestation/tree/main/spec/v1)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wardein.errors import WardeinError
from wardein.jsontext import strict_loads
from wardein.subject import Subject

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
APPROVAL = "urn:wardein:approval:1"
WAIVER = "urn:wardein:waiver:1"
# A statement needs a subject. Evidence of a step that found nothing to examine names this one, which matches nothing.
NOTHING = Subject("nothing-was-examined", "0" * 64)

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """Subjects, the type of what is said of them, and what is said.

    Attributes:
        annotations: What the first subject is annotated with.
    """

    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]
    annotations: Mapping[str, Any] = field(default_factory=dict)


def write(
    subject: Sequence[Subject],
    predicate_type: str,
    predicate: Mapping[str, Any],
    annotations: Mapping[str, Any] | None = None,
) -> bytes:
    """The statement as UTF-8 JSON, ready to sign; annotations are of the first subject."""
    named: list[dict[str, Any]] = [{"name": s.name, "digest": {"sha256": s.digest}} for s in (subject or (NOTHING,))]
    if annotations:
        named[0]["annotations"] = annotations
    statement = {"_type": STATEMENT_TYPE, "subject": named, "predicateType": predicate_type, "predicate": predicate}
    return json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def read(payload: bytes) -> Statement:
    """Parse a statement strictly.

    Raises:
        WardeinError: If it is not an in-toto Statement v1 with at least one sha256 subject.
    """
    data = strict_loads(payload, where="statement")
    if not isinstance(data, dict) or data.get("_type") != STATEMENT_TYPE:
        raise WardeinError("is not an in-toto Statement v1", where="statement")
    subject, predicate_type, predicate = data.get("subject"), data.get("predicateType"), data.get("predicate")
    if (
        not isinstance(subject, list)
        or not subject
        or not isinstance(predicate_type, str)
        or not isinstance(predicate, dict)
    ):
        raise WardeinError("lacks a subject, a predicate type or a predicate", where="statement")
    annotations = subject[0].get("annotations", {}) if isinstance(subject[0], dict) else {}
    if not isinstance(annotations, dict):
        raise WardeinError("a subject's annotations are not an object", where="statement")
    return Statement(tuple(map(_read_subject, subject)), predicate_type, predicate, annotations)


def _read_subject(item: Any) -> Subject:
    digest = item.get("digest") if isinstance(item, dict) else None
    sha256 = digest.get("sha256") if isinstance(digest, dict) else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise WardeinError("a subject has no lower-case sha256 digest", where="statement")
    return Subject(str(item.get("name", "")), sha256)
