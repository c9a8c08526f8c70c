# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON against an independent implementation, and strict reading."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from wardein.errors import WardeinError
from wardein.jsontext import canonical, fixed, strict_loads

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_canonical_is_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(plain)
def test_strict_reading_gives_back_what_was_written(value: object) -> None:
    assert strict_loads(json.dumps(value).encode()) == value


def test_canonical_holds_no_floats() -> None:
    with pytest.raises(TypeError):
        canonical({"a": 0.1})


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.1 + 0.2, "0.300000"), (-0.0, "0.000000"), (-1e-9, "0.000000"), (1e6, "1000000.000000")],
)
def test_floats_become_strings_of_six_decimals(value: float, written: object) -> None:
    assert fixed(value) == written


def test_not_a_number_is_refused() -> None:
    with pytest.raises(WardeinError):
        fixed(float("nan"))


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":1,"a":2}',
        b'{"a":1}{}',
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"",
        b"\xff",
        b"[" * 65 + b"]" * 65,
        b"{",
    ],
)
def test_ambiguous_documents_are_refused(document: bytes) -> None:
    with pytest.raises(WardeinError):
        strict_loads(document)


def test_brackets_in_strings_are_not_depth() -> None:
    assert strict_loads(json.dumps("[" * 100 + '\\"{').encode()) == "[" * 100 + '\\"{'


def test_document_size_is_bounded() -> None:
    with pytest.raises(WardeinError, match="larger"):
        strict_loads(b" " * (32 * 1024 * 1024 + 1))
