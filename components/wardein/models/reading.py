# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a model file to an estimator, within the process that holds it.

What the file is from its first byte on decides, not its name (:mod:`wardein.models.container`). It is examined like
every model file (:mod:`wardein.modelfiles`), loaded through the same list of names, and looked through before it is
used (:mod:`wardein.models.sanity`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from wardein.modelfiles.allowlist import Allowlist, allowlist
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination
from wardein.models.container import Refused, check_archive, check_members, is_archive, open_stream
from wardein.models.natives import native_format, prepare, read_native
from wardein.models.sanity import make_safe
from wardein.models.unpickling import Unpickler
from wardein.report import Severity


def examined(descriptor: int, name: str, allow: Sequence[str]) -> tuple[Content, str]:
    """Examine an open model file without loading anything, and import what loading it takes.

    Returns:
        Its content, and what it is.

    Raises:
        Refused: If anything is found in it that fails, or something could not be examined.
    """
    from wardein.modelfiles.rules import RULES

    content = Content(name, "", name, descriptor, 0, os.fstat(descriptor).st_size)
    examination = Examination(allowlist(list(allow)), content.size)
    examination.examine(content)
    mends = {rule.id: rule.mend for rule in RULES}
    for found in sorted(examination.found, key=lambda found: (found.severity.rank, found.part, found.message)):
        if found.severity in (Severity.CRITICAL, Severity.HIGH):
            what = f"{found.part}: {found.message}" if found.part else found.message
            raise Refused(what, mends.get(found.rule, ""))
    if examination.unknown:
        raise Refused("is of no format that is known here")
    for skipped in examination.skipped:
        raise Refused(skipped.reason, "save the model again")
    kind = native_format(content, examination.formats.get(name, "")) or ("skops" if is_archive(content) else "pickle")
    prepare(kind)
    return content, kind


def read(content: Content, kind: str, allow: Sequence[str]) -> Any:
    """Load a model that was examined.

    Args:
        content: Its content.
        kind: What it is.
        allow: Names that a pickle may refer to on top of the audited ones.

    Raises:
        Refused: If a name is not allowed, or the file is damaged.
    """
    if kind not in ("skops", "pickle"):
        return read_native(content, kind)
    model = (_skops if kind == "skops" else _pickle)(content, allowlist(list(allow)))
    make_safe(model, allow)
    return model


def _skops(content: Content, allowed: Allowlist) -> Any:
    import skops.io

    trusted = sorted(allowed.entries)
    try:
        with content.open() as file:
            check_archive(file)
            check_members(file)
            unknown = sorted(set(skops.io.get_untrusted_types(file=file)) - set(trusted))
            if unknown:
                raise Refused(f"holds {unknown[0]}, which is not on the list of harmless types")
            return skops.io.load(file, trusted=trusted)
    except (Refused, MemoryError):
        raise
    except Exception as error:  # a damaged archive raises anything from zlib.error to KeyError
        said = " ".join(str(error).split())[:160]
        raise Refused(
            f"is not a complete skops file ({type(error).__name__}: {said})", "save the model again"
        ) from None


def _pickle(content: Content, allowed: Allowlist) -> Any:
    try:
        with open_stream(content) as file:
            model = Unpickler(file, allowed).load()
            if file.read(1):
                raise Refused("holds something after the end of its pickle")
            return model
    except (Refused, MemoryError):
        raise
    except Exception as error:  # whatever a broken or hostile stream raises is a refusal, in one line
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise Refused(f"is not a complete pickle of a scikit-learn model ({said})") from None
