# SPDX-License-Identifier: Apache-2.0
"""Which formats there are, and finding out which of them a content is: by its bytes, never by its name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Protocol

from wardein.modelfiles import any_format
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import MAX_DEPTH, Examination, Unexamined

HEAD = 4096
UNKNOWN = "is of no format that is known here"
# What lies beside models and is none.
COMPANIONS = (
    *("arrow", "document", "ds-store", "empty", "feather", "jinja", "json", "media", "numbers", "parquet", "picture"),
    *("python-source", "text", "tfrecord", "tiktoken", "yaml"),
)
# Of these alone no model is made.
NO_MODEL = ("document", "ds-store", "empty", "jinja", "media", "picture", "python-source", "text", "tfrecord")
# Names of files that are often empty, and are there for their name.
_MARKERS = (".py", ".typed", ".txt", ".md", ".gitkeep", ".keep", ".gitignore", ".gitattributes", ".lock", "_SUCCESS")
# What a broken file can raise out of a parser that checks less than it should: not examined, whatever it was.
_BROKEN = (
    ValueError,  # UnicodeDecodeError among them
    LookupError,
    ArithmeticError,
    EOFError,
    RecursionError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
    OSError,
)


class Format(Protocol):
    """What a module that knows a format has.

    Attributes:
        NAME: What the format is called in coverage and in the setting ``formats``, for example ``safetensors``.
        TEXT: Whether its files are text, of which almost anything can be said: it is only asked if no other matches.
    """

    NAME: str
    TEXT: bool

    def matches(self, content: Content, head: bytes) -> bool:
        """Whether the content is of this format, by its structure; ``head`` is its first 4096 bytes.

        Cheap, and without any effect; what looks like the format and is broken still matches.
        """
        ...

    def examine(self, content: Content, examination: Examination) -> None:
        """Examine a content of this format to its last byte.

        Raises:
            Unexamined: If it cannot be followed to its end; what was found until then stays.
        """
        ...


def formats() -> Sequence[Format]:
    """Every format, those that are decided by fewer bytes later."""
    from wardein.modelfiles.archives import ARCHIVES
    from wardein.modelfiles.graphs import GRAPHS
    from wardein.modelfiles.native import NATIVE
    from wardein.modelfiles.pickles import PICKLES

    return (*ARCHIVES, *GRAPHS, *NATIVE, *PICKLES)


def names() -> Sequence[str]:
    """What the formats of models are called."""
    from wardein.modelfiles.archives.zipped import KINDS

    return sorted({*(one.NAME for one in formats()), *(kind.NAME for kind in KINDS)} - set(COMPANIONS))


def examine(content: Content, examination: Examination) -> None:
    """Examine a content as everything that it is; what is of no known format was not examined."""
    from wardein.modelfiles.graphs.tflite import has_labels
    from wardein.modelfiles.pickles import probe

    if content.depth > MAX_DEPTH:
        examination.leave_out(content, f"lies in more than {MAX_DEPTH} containers, one in the other")
        return
    if content.size == 0:
        _empty(content, examination)
        return
    head = content.at(0, HEAD)
    binary = [f for f in formats() if not f.TEXT and f.matches(content, head)]
    matching = binary or _texts(content, head)
    names = [f.NAME for f in matching]
    # A text can be read in several ways; two kinds at once it is with bytes of another.
    several = bool(binary)
    if "pickle" not in names and probe(content, examination):
        # Whatever else it is: a loader of pickles would run it.
        names.append("pickle")
        several = True
        matching += [f for f in formats() if f.NAME == "pickle"]
    is_labelled = set(names) == {"tflite", "zip"} and has_labels(content)
    if several and len(set(names)) > 1 and not is_labelled:
        message = f"is {' and '.join(sorted(set(names)))} at once"
        examination.tell(any_format.POLYGLOT, content, message, identity=message)
    if not content.part:
        examination.formats[content.path] = "tflite" if is_labelled else names[0] if names else ""
    if not matching and not content.part:
        examination.unknown.add(content.path)
    elif not matching:
        examination.leave_out(content, UNKNOWN)
    for one in matching:
        examine_as(one, content, examination)


def _texts(content: Content, head: bytes) -> list[Format]:
    """Every way in which a text is more than text: what one reader takes for settings, another takes for a graph."""
    found = [f for f in formats() if f.TEXT and f.matches(content, head)]
    return [f for f in found if f.NAME != "text"] or found


def _empty(content: Content, examination: Examination) -> None:
    """Nothing is in nothing: a marker such as ``__init__.py``, a member without content; a model it is not."""
    examination.kinds["empty"] += 1
    if not content.part:
        examination.formats[content.path] = "empty"
        if not content.name.endswith(_MARKERS):
            examination.leave_out(content, "is empty (0 bytes)")


def examine_as(one: Format, content: Content, examination: Examination) -> None:
    """Examine a content as one format, whatever its bytes look like: for members that a container gives a meaning."""
    examination.kinds[one.NAME] += 1
    try:
        one.examine(content, examination)
    except Unexamined as stopped:
        examination.leave_out(content, f"as {one.NAME}: {stopped}")
    except MemoryError:
        examination.leave_out(content, f"as {one.NAME}: takes more memory than there is")
    except _BROKEN as error:
        examination.leave_out(content, f"is a damaged {one.NAME} file ({type(error).__name__})")
