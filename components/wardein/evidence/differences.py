# SPDX-License-Identifier: Apache-2.0
"""In what an artifact is another than the one that was signed, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from wardein.evidence.model_signing import SINGLE_FILE, Label, Signed, beyond_default
from wardein.evidence.version import parse_version
from wardein.report import NAME_RULE, VERSION_RULE, Finding, Severity
from wardein.subject import Tree


def of_kind(signed: Signed, tree: Tree, name: str) -> Iterator[Finding]:
    """A file where a folder was signed, or the reverse; and a single file that was signed under another name."""
    kind = "folder" if tree.is_folder else "file"
    if signed.kind and signed.kind != kind:
        text = f"was signed as a {signed.kind}, and is a {kind}"
        yield Finding("signature/kind", Severity.CRITICAL, text, signed.artifact)
    elif kind == "file" and signed.artifact not in ("", name):
        text = f"was signed as the file {signed.artifact}, and is called {name} here"
        yield Finding("signature/file-name", Severity.INFO, text, signed.artifact, fails=False)


def of_permissions(tree: Tree) -> Iterator[Finding]:
    """What a signature does not say of modes, and people should know: who else may write, set-user-ID and the like."""
    loose = [file.path for file in tree.files if file.loose]
    if loose:
        text = f"{len(loose)} of {len(tree.files)} files may be written to by others than their owner, or are "
        text += "set-user-ID, set-group-ID or sticky, which is not signed; promote serves none of it"
        yield Finding("signature/permissions", Severity.INFO, text, loose[0], fails=False)


def of_files(signed: Signed, tree: Tree) -> Iterator[Finding]:
    """Files that were changed, added, removed or renamed."""
    present = {file.path: file.digest for file in tree.files}
    if not tree.is_folder and set(signed.files) == {SINGLE_FILE}:
        present = {SINGLE_FILE: tree.files[0].digest}
    added = {name: digest for name, digest in present.items() if name not in signed.files}
    by_digest: dict[str, list[str]] = {}
    for name in sorted(added, reverse=True):
        by_digest.setdefault(added[name], []).append(name)
    for name, digest in sorted(signed.files.items()):
        if name in present and present[name] != digest:
            yield Finding("signature/changed", Severity.CRITICAL, "its content is not what was signed", name)
        elif name not in present:
            if by_digest.get(digest):
                new = by_digest[digest].pop()
                del added[new]
                yield Finding("signature/renamed", Severity.CRITICAL, f"was signed as {name}, is now {new}", name)
            else:
                yield Finding("signature/removed", Severity.CRITICAL, "was signed and is gone", name)
    for name in sorted(added):
        yield Finding("signature/added", Severity.CRITICAL, "was not signed", name)
    left_out = beyond_default(signed.ignored)
    if left_out:
        text = f"the signer left out {', '.join(left_out)}: what lies there was not signed, and counts as added"
        yield Finding("signature/ignored", Severity.MEDIUM, text, fails=False)


def of_layout(signed: Signed, tree: Tree, *, counts: bool) -> Iterator[Finding]:
    """Files that may be executed or not, and empty folders, other than was signed."""
    if signed.executable is None or signed.empty is None:
        text = "the signature says nothing of executable files and empty folders, so they were not compared"
        yield Finding("signature/layout", Severity.INFO, text, fails=False)
        return
    names = {f.path: f.path if tree.is_folder else SINGLE_FILE for f in tree.files}
    modes = {names[f.path]: f.executable for f in tree.files if names[f.path] in signed.files}
    for name, now in sorted(modes.items()):
        if now != (name in signed.executable):
            text = "may be executed, which was not signed" if now else "may no longer be executed, as was signed"
            text += "; where storage keeps no modes, verify with --layout false"
            yield Finding("signature/mode", Severity.HIGH, text, name, fails=counts)
    for name in sorted(set(tree.empty) ^ signed.empty):
        text = "is an empty folder that was not signed" if name in tree.empty else "is no empty folder, as was signed"
        yield Finding("signature/folder", Severity.HIGH, text, name, fails=counts)


def of_label(label: Label, name: str, min_version: str) -> Iterator[Finding]:
    """What the artifact is called and how recent it is, against what was expected; empty for no expectation."""
    said = {NAME_RULE: ("name", label.name), VERSION_RULE: ("version", label.version)}
    for rule, (what, value) in said.items():
        if value:
            when = f" on {label.signed}, by the signer's clock" if label.signed else ""
            yield Finding(rule, Severity.INFO, f"its {what} was signed as {value}{when}", value, fails=False)
    if name and label.name != name:
        text = f"was signed as {label.name}, not as {name}" if label.name else f"was not signed as {name}"
        yield Finding("signature/other-name", Severity.CRITICAL, text, label.name)
    if min_version and not label.version:
        text = f"was signed without a version, {min_version} or later is needed"
        yield Finding("signature/rollback", Severity.CRITICAL, text)
    elif min_version and parse_version(label.version, "the signed version") < parse_version(
        min_version, "--min-version"
    ):
        text = f"is version {label.version}, {min_version} or later is needed"
        yield Finding("signature/rollback", Severity.CRITICAL, text, label.version)
