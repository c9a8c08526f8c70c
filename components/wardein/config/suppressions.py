# SPDX-License-Identifier: Apache-2.0
"""What in a source folder tells scanners to look away; none of it is obeyed, all of it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wardein.config.hits import Hit
from wardein.config.kinds import ConfigFile
from wardein.config.nodes import Node
from wardein.scan.tree import File

# Settings of scanners that they look for in what they scan.
_SETTINGS = re.compile(
    r"(\.trivyignore(\.ya?ml)?|trivy\.ya?ml|\.?checkov\.ya?ml|\.checkov\.baseline|\.cfnlintrc(\.ya?ml)?|\.tfsec(\.ya?ml)?"
    r"|\.hadolint\.ya?ml|\.kics\.(ya?ml|json)|\.tflint\.hcl|\.terrascan\.toml|\.kube-linter\.ya?ml|\.zizmor\.yml)\Z"
)
_MARKER = re.compile(
    r"(?i)\b(trivy|tfsec|kics-scan|tflint)(\s*:\s*|-|\s)ignore\b|\b(checkov|bridgecrew|terrascan|ts)\s*:\s*skip"
    r"|\bhadolint\s+(global\s+)?ignore\b|\bkics-scan\s+disable\b|\bzizmor:\s*ignore|\bnosemgrep\b"
)
# Keys that say the same as a comment does.
_KEY = re.compile(
    r"(checkov|bridgecrew)\.io/skip|ignore-check\.kube-linter\.io|kics[.]io/|cfn_nag\Z|cfn-lint\Z|checkov\Z"
)


def settings(files: Sequence[File]) -> Iterator[str]:
    """The paths of scanners' own settings among the files."""
    return (file.path for file in files if _SETTINGS.match(file.name))


def hits(config: ConfigFile) -> Iterator[Hit]:
    """Markers in one file's text, and keys of its objects that mean the same."""
    lines = set()
    for number, line in enumerate(config.text.splitlines(), 1):
        match = _MARKER.search(line)
        if match:
            lines.add(number)
            yield Hit("config/suppression", Node(None, number, number), match[0][:40])
    for document in config.objects:
        for node in document.walk():
            for name, value in node.items():
                if _KEY.match(name) and value.line not in lines:
                    yield Hit("config/suppression", value, name[:80], text=name)


def disarmed(text: str) -> str:
    """The text with no marker in it that a tool would obey; lines and columns stay."""
    return _MARKER.sub(lambda match: "x" * len(match[0]), text)


def without_keys(node: Node) -> Node:
    """The document without the keys by which it asks a tool to look away."""
    if isinstance(node.value, dict):
        kept: dict[str, Node] = {k: without_keys(v) for k, v in node.value.items() if not _KEY.match(k)}
        return Node(kept, node.line, node.last, node.weight, node.depth)
    if isinstance(node.value, list):
        return Node([without_keys(child) for child in node.value], node.line, node.last, node.weight, node.depth)
    return node
