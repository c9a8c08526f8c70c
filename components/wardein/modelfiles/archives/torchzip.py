# SPDX-License-Identifier: Apache-2.0
"""What torch writes as zip archives: checkpoints, TorchScript, exported programs."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.modelfiles.allowlist import Allowlist, Entry, Use
from wardein.modelfiles.archives import rules, torchexport, torchscript
from wardein.modelfiles.archives.directory import Member
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import shown
from wardein.modelfiles.formats import examine_as

if TYPE_CHECKING:
    from wardein.modelfiles.archives.zipped import Archive

# What makes an archive one of torch's, in its top folder.
_MARKS = {"data.pkl", "constants.pkl", "bytecode.pkl", "archive_format"}
_OLD_EXPORT = "serialized_exported_program.json"
_STORAGE = re.compile(r"(data|constants|bytecode|traced_inputs|attributes)/[0-9]+")
_EXPORTED = re.compile(r"data/(weights|constants)/(weight|tensor)_[0-9]+")
_WORDS = re.compile(r"\.?data/(version|serialization_id)|version|byteorder|archive_(format|version)|\.[a-z_]+")
_PICKLED = re.compile(rb"\x80[\0-\5]|[\t\n\r -~]{11}")
_PROGRAM = re.compile(r"models/[^/]+\.json")
_USES: frozenset[Use] = frozenset(("refer", "new", "call"))


class TorchZip:
    """An archive with one top folder, in which ``data.pkl`` refers to storages: bare numbers in files of their own."""

    NAME = "torch"

    def __init__(self) -> None:
        self._tops: frozenset[str] = frozenset()

    def matches(self, names: Sequence[str]) -> bool:
        """Whether a top folder holds what torch looks for."""
        self._tops = frozenset(name.rpartition("/")[0] for name in names if _is_mark(name))
        return bool(self._tops)

    def prepare(self, archive: Archive) -> None:
        """Examine the TorchScript code first: the pickles refer to its classes, which exist nowhere else."""
        classes = {f"__torch__.torch.classes.{name}" for name in torchscript.CLASSES}
        for member in archive.directory.members:
            if self._inner(member).startswith("code/") and member.name.endswith(".py"):
                module = self._inner(member)[len("code/") : -len(".py")].replace("/", ".")
                archive.read(member, lambda c, module=module: classes.update(_script(archive, c, module)))  # type: ignore[misc]
        examination = archive.examination
        # What is called otherwise could be a module that Python finds.
        classes = {name for name in classes if name.startswith("__torch__.")}
        own = {name: Entry(name, _USES, "a class of the archive's own TorchScript") for name in classes}
        examination.allowed = Allowlist(ChainMap(own, dict(examination.allowed.entries)))

    def is_raw(self, archive: Archive, member: Member) -> bool:
        """Whether a member is a storage that a pickle of the same folder refers to."""
        inner = self._inner(member)
        top = member.name[: len(member.name) - len(inner)]
        storage = _STORAGE.fullmatch(inner)
        if storage:
            return f"{top}{storage[1]}.pkl" in archive.names
        return f"{top}archive_format" in archive.names and bool(_EXPORTED.fullmatch(inner))

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Examine a member by its name in the top folder, as torch does."""
        inner, examination = self._inner(member), archive.examination
        if self.is_raw(archive, member):
            return _storage(archive, content)
        if inner.startswith("code/") and inner.endswith(".py"):
            return True
        if inner == "bytecode.pkl":
            examine_as(torchscript.BYTECODE, content, examination)
        elif _PROGRAM.fullmatch(inner) or member.name == _OLD_EXPORT:
            examine_as(torchexport, content, examination)
            return True
        words = content.at(0, 128)
        return bool(_WORDS.fullmatch(inner)) and content.size <= 128 and words.strip(b"\n").isalnum()

    def _inner(self, member: Member) -> str:
        """A member's name in the top folder; its whole name if it lies outside."""
        for top in self._tops:
            if top and member.name.startswith(f"{top}/"):
                return member.name[len(top) + 1 :]
        return member.name


def _is_mark(name: str) -> bool:
    top, _, inner = name.partition("/")
    return inner in _MARKS or name == _OLD_EXPORT or (top in _MARKS and not inner)


def _storage(archive: Archive, content: Content) -> bool:
    """A storage is numbers, unless it is a model of its own: an exported program may have those as weights.

    Of numbers that are not written as a pickle begins, too many would be taken for one that refers to something.
    """
    from wardein.modelfiles.pickles import probe

    archive.examination.kinds["torch-storage"] += 1
    begins = bool(_PICKLED.match(content.at(0, 16)))
    return not (content.at(0, 4) == b"PK\x03\x04" or (begins and probe(content, archive.examination)))


def _script(archive: Archive, content: Content, module: str) -> set[str]:
    script = torchscript.Script(module)
    examine_as(script, content, archive.examination)
    for what in script.strange:
        message = f"has TorchScript that reaches {shown(what)}"
        archive.examination.tell(rules.OPERATION, content, message, identity=what)
    return script.classes
