# SPDX-License-Identifier: Apache-2.0
"""YAML with lines: what is read is what PyYAML reads, what is written for tools says the same on the same lines."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import yaml
from wardein.config.dockerfiles import read_dockerfile
from wardein.config.hits import is_secret, runs_download
from wardein.config.nodes import Node, read_json, read_yaml
from wardein.config.written import written
from wardein.errors import WardeinError

pytestmark = pytest.mark.scanners

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    return [plain(child) for child in node.value] if isinstance(node.value, list) else node.value


@given(st.dictionaries(TEXTS, VALUES, min_size=1), st.booleans(), st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_what_is_read_and_written_says_the_same(value: dict[str, Any], flow: bool, indent: int | None) -> None:
    (node,) = read_yaml(yaml.safe_dump(value, allow_unicode=False, default_flow_style=flow), "x")
    assert plain(node) == value
    text = written(node)
    assert json.loads(text) == value
    assert yaml.safe_load(text) == value
    assert plain(read_json(json.dumps(value, indent=indent), "x")) == value


def test_lines_stay() -> None:
    text = "# c\na: 1\nb:\n- x: |\n    text\n    more\n  y: &q {z: 1}\n\n\nc: *q\n"
    (node,) = read_yaml(text, "x")
    (again,) = read_yaml(written(node).decode(), "x")
    for read in (node, again):
        assert (read.at("a").line, read["c"].line) == (2, 10)
        assert [(item.line, item["x"].line, item["y"].line) for item in read["b"].each()] == [(4, 4, 7)]
    assert node["b"].last == 7


def test_merges_and_tags() -> None:
    (node,) = read_yaml(
        "base: &b {x: 1, y: 1}\na: {<<: *b, y: 2}\n'<<': z\nf: !Sub '${A}'\ng: !GetAtt R.A.B\non: [yes, 'yes']\n", "x"
    )
    assert plain(node["a"]) == {"x": 1, "y": 2}
    assert plain(node["<<"]) == "z"
    assert plain(node["f"]) == {"Fn::Sub": "${A}"}
    assert plain(node["g"]) == {"Fn::GetAtt": ["R", "A.B"]}
    assert plain(node["on"]) == [True, "yes"]


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_text_crashes_a_reader(text: str) -> None:
    for read in (read_yaml, read_json, read_dockerfile):
        with contextlib.suppress(WardeinError):
            read(text, "x")


def test_dockerfile_lines() -> None:
    text = "# escape=`\nFROM x\nRUN a `\n  # comment\n\n  && b\nRUN <<EOF cat\nUSER root\nEOF\n"
    text += 'RUN c <<< "d"\nCOPY --from=a --chown=1 . .\n'
    read = read_dockerfile(text, "x")
    assert [(i.keyword, i.line, i.last) for i in read] == [
        ("FROM", 2, 2),
        ("RUN", 3, 6),
        ("RUN", 7, 9),
        ("RUN", 10, 10),
        ("COPY", 11, 11),
    ]
    assert read[-1].flags == "--from=a --chown=1 "
    assert "&& b" in read[1].rest


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HF_TOKEN", "abc", True),
        ("hfToken", "abc", True),
        ("AWS_SECRET_ACCESS_KEY", "abc", True),
        ("x", "postgres://u:p@h/d", True),
        ("x", "-----BEGIN RSA PRIVATE KEY-----", True),
        ("HF_TOKEN", "${{ secrets.HF }}", False),
        ("HF_TOKEN", "", False),
        ("MAX_TOKENS", "512", False),
        ("pad_token", "abc", False),
        ("PASSWORD_FILE", "/run/x", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("x", "https://example.org/a:b@c", False),
    ],
)
def test_what_counts_as_a_secret(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value) is secret


@pytest.mark.parametrize(
    ("script", "runs"),
    [
        ("curl -sSL https://x | bash", True),
        ("wget -qO- https://x | sudo -E sh -", True),
        ("curl x \\\n  | sh", True),
        ("bash <(curl -s x)", True),
        ('sh -c "$(curl -fsSL x)"', True),
        ("curl x | python3 -", True),
        ("curl x -o y && sha256sum -c z", False),
        ("curl x | tar xz", False),
        ("curl x | jq .", False),
    ],
)
def test_what_runs_a_download(script: str, runs: bool) -> None:
    assert runs_download(script) is runs
