# SPDX-License-Identifier: Apache-2.0
"""Text: what a model folder says of itself, vocabularies, tables. And text that is code, by its name."""

from __future__ import annotations

import codecs
import re

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native import rules, yamldocument

NAME = "text"
TEXT = True

_CHUNK = 1024**2
# Tab, line feed, vertical tab, form feed, carriage return, and what colours a terminal; any other control character is
# no text. What may go on behind the end of what was read is not judged yet.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]|\x1b(?!\[[0-9;?]{0,20}(?:[A-Za-z]|\Z)|\Z)")
# Names of models that are never text: a page that says "404", a pointer to large storage, a truncated download.
_MODELS = (
    ".bin", ".bst", ".cbm", ".ckpt", ".dill", ".engine", ".ftz", ".gguf", ".ggml", ".h5", ".hdf5", ".joblib", ".keras",
    ".mar", ".mlmodel", ".model", ".msgpack", ".nemo", ".npy", ".npz", ".onnx", ".ort", ".params", ".pb", ".pdiparams",
    ".pdmodel", ".pickle", ".pkl", ".plan", ".pt", ".pt2", ".pth", ".ptl", ".safetensors", ".skops", ".tflite", ".tar",
    ".gz", ".tgz", ".7z", ".zip", ".bz2", ".xz", ".zst", ".lz4", ".ubj", ".weights", ".parquet", ".arrow", ".feather",
    ".png", ".jpg", ".jpeg", ".gif", ".webp",
)  # fmt: skip
_POINTER = b"version https://git-lfs.github.com/spec/"
_SCRIPTS = (
    ".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".js", ".mjs", ".ts", ".pl", ".rb", ".php", ".lua", ".r", ".jl",
    ".scala", ".java", ".c", ".cc", ".cpp", ".cu", ".h", ".hpp", ".go", ".rs", ".cs", ".vbs", ".groovy", ".ipy", ".pyx",
    ".pxd", ".pyi", ".mk", ".cmake",
)  # fmt: skip
_SCRIPT_NAMES = frozenset({"makefile", "dockerfile", "containerfile", "cmakelists.txt", "jenkinsfile"})
_ACTIVE = re.compile(rb"<\s*(?:script|iframe|object|embed)\b|javascript:", re.IGNORECASE)


def matches(content: Content, head: bytes) -> bool:
    """Whether it is UTF-8 without control characters, as far as it can be seen from its beginning."""
    if _CONTROL.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == content.size)
    except UnicodeDecodeError:
        return False
    return True


def examine(content: Content, examination: Examination) -> None:
    """Read it to its end, and look for what a reader would take for more than text."""
    name = content.name.lower()
    if content.at(0, len(_POINTER)) == _POINTER:
        raise Unexamined("is a pointer to a file in large storage, not the file")
    if name.endswith(_MODELS):
        raise Unexamined("is text where its name promises a model")
    active, tagged = _read(content)
    if name.endswith(_SCRIPTS) or name in _SCRIPT_NAMES or content.at(0, 2) == b"#!":
        examination.tell(rules.CODE, content, "is a script", identity="script")
    if active:
        examination.tell(rules.MARKUP, content, "holds a script for browsers", identity="script")
    if tagged:
        _examine_tags(content, examination)


def _read(content: Content) -> tuple[bool, bool]:
    """Whether there is markup that is active, and a tag of YAML that makes objects."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    active = tagged = False
    before = b""
    for offset in range(0, content.size, _CHUNK):
        chunk = content.at(offset, _CHUNK)
        decoder.decode(chunk, final=offset + _CHUNK >= content.size)
        joined = before + chunk
        if found := _CONTROL.search(joined):
            at = offset - len(before) + found.start()
            raise Unexamined(f"has a control character at byte {at}: it is not text")
        active = active or _ACTIVE.search(joined) is not None
        tagged = tagged or yamldocument.CALLING_TAG.search(joined) is not None
        before = chunk[-128:]
    return active, tagged


def _examine_tags(content: Content, examination: Examination) -> None:
    """Whatever it is called: read as YAML up to where it is none, it may make objects."""
    try:
        yamldocument.examine(content, examination)
    except yamldocument.NoYaml:
        # Prose about tags is no YAML; its reader stops where this one did, and what came before was told.
        return
