# SPDX-License-Identifier: Apache-2.0
"""Models that are zip archives of other formats: numpy's arrays, Keras, skops, TorchServe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardein.modelfiles.archives import torchserve
from wardein.modelfiles.archives.directory import Member
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination
from wardein.modelfiles.formats import examine_as

if TYPE_CHECKING:
    from wardein.modelfiles.archives.zipped import Archive


class _Plain:
    """A kind whose members are examined by what they are, unless it says otherwise."""

    def is_raw(self, archive: Archive, member: Member) -> bool:
        """None of its members is bare numbers."""
        return False

    def prepare(self, archive: Archive) -> None:
        """Nothing depends on anything."""

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Its members are what they are."""
        return False


class Arrays(_Plain):
    """numpy's ``.npz``: arrays, each in a file of its own."""

    NAME = "npz"

    def matches(self, names: Sequence[str]) -> bool:
        """Whether there is nothing but arrays."""
        return all(name.endswith(".npy") for name in names)


class KerasZip(_Plain):
    """A model of Keras 3: its layers in JSON, its weights in HDF5."""

    NAME = "keras"

    def matches(self, names: Sequence[str]) -> bool:
        """Whether there is what Keras looks for."""
        has_weights = any(re.match(r"(.*\.)?weights\.(h5|npz|json)", name) for name in names)
        return "config.json" in names and ("metadata.json" in names or has_weights)

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Examine the layers as Keras reads them, and what are none as what they are."""
        if member.name != "config.json":
            return False
        from wardein.modelfiles.graphs.keras import KerasConfig

        examine_as(_KerasConfig(), content, archive.examination)
        return KerasConfig().matches(content, b"")


class SkopsZip(_Plain):
    """A model of skops: its objects in JSON, its arrays beside it."""

    NAME = "skops"

    def matches(self, names: Sequence[str]) -> bool:
        """Whether there is what skops looks for."""
        return "schema.json" in names

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Examine the objects as skops reads them."""
        if member.name != "schema.json":
            return False
        examine_as(_SkopsSchema(), content, archive.examination)
        return True


class TorchServe(_Plain):
    """An archive for TorchServe: a model, and the Python that serves it."""

    NAME = "torchserve"

    def matches(self, names: Sequence[str]) -> bool:
        """Whether there is what TorchServe looks for."""
        return torchserve.MANIFEST in names

    def examine(self, archive: Archive, member: Member, content: Content) -> bool:
        """Examine the manifest, and tell of what the server would run or install."""
        return torchserve.examine_member(member.name, content, archive.examination)


class _Named:
    """A format that is known by its place only."""

    TEXT = True

    def matches(self, content: Content, head: bytes) -> bool:
        """No other file is one."""
        return False


class _KerasConfig(_Named):
    NAME = "keras-config"

    def examine(self, content: Content, examination: Examination) -> None:
        from wardein.modelfiles.graphs.keras import examine_config

        examine_config(content, examination)


class _SkopsSchema(_Named):
    NAME = "skops-schema"

    def examine(self, content: Content, examination: Examination) -> None:
        from wardein.modelfiles.native.skops import examine_schema

        examine_schema(content, examination)
