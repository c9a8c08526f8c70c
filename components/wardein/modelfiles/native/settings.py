# SPDX-License-Identifier: Apache-2.0
"""What a setting can make its reader do, wherever it stands: in JSON or in YAML, under whatever file name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, shown
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.templates import examine_template, looks_like_one
from wardein.report import Severity

# What hydra and NeMo may be told to make: classes that only compute, by the package that they are in.
_CLASSES = (
    "torch.nn.",
    "torch.optim.",
    "torchmetrics.",
    "torchvision.models.",
    "torchvision.transforms.",
    "torchaudio.transforms.",
    "transformers.models.",
    "diffusers.models.",
    "diffusers.schedulers.",
    "nemo.collections.",
    "nemo.core.",
    "megatron.core.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
    "ldm.",
    "sgm.",
    "cldm.",
)
_PARENTS = ("transformers.models.", "diffusers.", "sentence_transformers.", "timm.", "peft.", "torch.nn.")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
# How YAML writes that there is nothing, or that something is off.
_NOTHING = frozenset({"", "~", "null", "none", "false", "no", "off", "n", "0"})
# Modules of Python's own that nobody calls a column or a host; the same for every version that scans.
_PYTHON = frozenset({
    "__builtin__", "ast", "asyncio", "bdb", "builtins", "cProfile", "code", "codecs", "codeop", "concurrent",
    "copyreg", "ctypes", "distutils", "doctest", "fileinput", "ftplib", "functools", "glob", "http", "imaplib", "imp",
    "importlib", "inspect", "io", "linecache", "logging", "mailcap", "marshal", "mmap", "multiprocessing", "netrc",
    "nt", "nturl2path", "operator", "os", "pathlib", "pdb", "pickle", "pkgutil", "platform", "poplib", "posix",
    "posixpath", "profile", "pty", "pydoc", "runpy", "shelve", "shutil", "signal", "site", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "sys", "sysconfig", "tarfile", "telnetlib", "tempfile", "test",
    "threading", "timeit", "tkinter", "trace", "types", "unittest", "urllib", "uuid", "venv", "webbrowser", "wsgiref",
    "xmlrpc", "zipapp", "zipfile", "zipimport",
})  # fmt: skip
_PICKLING = frozenset({"pickle", "dill", "cloudpickle", "joblib"})


def is_wanted(key: str) -> bool:
    """Whether a setting of this name can do something."""
    return key in _SETTINGS or key.startswith(("py/", "json://")) or "template" in key.lower()


def examine_setting(key: str, value: Any, content: Content, examination: Examination) -> None:
    """Examine one setting.

    Args:
        key: Its name.
        value: Its value: what JSON can write.
        content: Where it stands.
        examination: Takes what is found.
    """
    if "template" in key.lower():
        for where, text in texts(value, key):
            if looks_like_one(text):
                examine_template(text, content, examination, where)
    elif key.startswith(("py/", "json://")):
        message = f"has jsonpickle's {shown(key)}, which imports and calls {shown(str(value))}"
        examination.tell(rules.INSTANTIATE, content, message, identity=f"{key} {value}", severity=Severity.CRITICAL)
    else:
        _SETTINGS[key](key, value, content, examination)


def texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text in a value, and the keys that lead to it."""
    waiting: list[tuple[str, Any]] = [(where, value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, str):
            yield place, item
        elif isinstance(item, dict):
            waiting.extend((f"{place}.{key}", inner) for key, inner in item.items())
        elif isinstance(item, list):
            waiting.extend((place, inner) for inner in item)


def walk(value: Any, content: Content, examination: Examination) -> None:
    """Examine every setting in a value that was read as a whole."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if not isinstance(item, (dict, list)) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            for key, inner in item.items():
                if isinstance(key, str) and is_wanted(key):
                    examine_setting(key, inner, content, examination)
            waiting.extend(item.values())
        else:
            waiting.extend(item)


def leads_outside(path: str) -> bool:
    """Whether a path leads out of the folder that it starts in, on any system."""
    parts = re.split(r"[/\\]", path)
    return ".." in parts or path[:1] in ("/", "\\", "~") or ":" in path or "\0" in path


def _remote_code(key: str, value: Any, content: Content, examination: Examination) -> None:
    named = sorted({text for _, text in texts(value, key) if text.lower() not in _NOTHING})
    if named:
        what = ", ".join(shown(text) for text in named[:5])
        examination.tell(rules.REMOTE_CODE, content, f"{key} names code to import: {what}", identity=f"{key} {named}")


def _trust(key: str, value: Any, content: Content, examination: Examination) -> None:
    if value and str(value).lower() not in _NOTHING:
        examination.tell(rules.REMOTE_CODE, content, f"{key} is switched on", identity=key)


def _attention(key: str, value: Any, content: Content, examination: Examination) -> None:
    # A name with a slash is a repository whose compiled kernels are fetched and loaded.
    for _, text in texts(value, key):
        if "/" in text:
            message = f"{key} fetches compiled code from {shown(text)}"
            examination.tell(rules.REMOTE_CODE, content, message, identity=f"{key} {text}")


def _target(key: str, value: Any, content: Content, examination: Examination) -> None:
    if not isinstance(value, str) or _is_known_class(value):
        return
    message = f"{key} makes its reader import and call {shown(value)}"
    examination.tell(rules.INSTANTIATE, content, message, identity=f"{key} {value}")


def _is_known_class(name: str) -> bool:
    last = name.rpartition(".")[2]
    return name.startswith(_CLASSES) and _PLAIN_NAME.fullmatch(name) is not None and last[:1].isupper()


def _latent_target(key: str, value: Any, content: Content, examination: Examination) -> None:
    # Plain data has targets too: a column to predict, a host. What is imported has two dots, or is of Python's own.
    if isinstance(value, str) and (_is_of_python(value) or (value.count(".") > 1 and _PLAIN_NAME.fullmatch(value))):
        _target(key, value, content, examination)


def _class_path(key: str, value: Any, content: Content, examination: Examination) -> None:
    # Whoever trains with Lightning has classes of their own; none of them is of Python's own.
    if isinstance(value, str) and _is_of_python(value):
        _target(key, value, content, examination)


def _is_of_python(name: str) -> bool:
    root, dot, _ = name.partition(".")
    return bool(dot) and root in _PYTHON


def _parent(key: str, value: Any, content: Content, examination: Examination) -> None:
    library = value.get("parent_library") if isinstance(value, dict) else None
    if isinstance(library, str) and not f"{library}.".startswith(_PARENTS):
        message = f"{key} makes its reader import {shown(library)}"
        examination.tell(rules.INSTANTIATE, content, message, identity=f"{key} {library}")


def _library(key: str, value: Any, content: Content, examination: Examination) -> None:
    for _, text in texts(value, key):
        if text.lower() not in _NOTHING:
            message = f"{key} loads the library {shown(text)}"
            examination.tell(rules.NATIVE_CODE, content, message, identity=f"{key} {text}")


def _codec(key: str, value: Any, content: Content, examination: Examination) -> None:
    named = {text for where, text in texts(value, key) if where.endswith((".id", ".name"))}
    for name in sorted(named & _PICKLING):
        message = f"{key} decodes its data with {name}"
        examination.tell(rules.INSTANTIATE, content, message, identity=f"{key} {name}")


def _weight_map(key: str, value: Any, content: Content, examination: Examination) -> None:
    for name in sorted({text for _, text in texts(value, key)}):
        if leads_outside(name):
            examination.tell(rules.OUTSIDE, content, f"{key} leads to {shown(name)}", identity=f"{key} {name}")


_SETTINGS: dict[str, Callable[[str, Any, Content, Examination], None]] = {
    "auto_map": _remote_code,
    "custom_pipelines": _remote_code,
    "custom_pipeline": _remote_code,
    "custom_generate": _remote_code,
    "trust_remote_code": _trust,
    "attn_implementation": _attention,
    "_attn_implementation": _attention,
    "_attn_implementation_internal": _attention,
    "_experts_implementation": _attention,
    "experts_implementation": _attention,
    "_target_": _target,
    "__target__": _target,
    "target": _latent_target,
    "class_path": _class_path,
    "auto_mapping": _parent,
    "custom_ops_library": _library,
    "custom_op_library": _library,
    "filters": _codec,
    "compressor": _codec,
    "object_codec": _codec,
    "codecs": _codec,
    "weight_map": _weight_map,
}
