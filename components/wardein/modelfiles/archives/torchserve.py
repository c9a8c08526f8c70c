# SPDX-License-Identifier: Apache-2.0
"""Archives for TorchServe, zip or tar: a model, and the Python that serves it."""

from __future__ import annotations

import re
from typing import Any

from wardein.modelfiles.archives import rules
from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.formats import examine_as

MANIFEST = "MAR-INF/MANIFEST.json"
# TorchServe's own handlers. Who names another one brings it along.
_HANDLERS = {"image_classifier", "image_segmenter", "object_detector", "text_classifier"}
_LARGEST = 1024 * 1024
_CODE = re.compile(r"(?i).*\.(py|pyc|pyo|pyd|so|dll|dylib|pth|egg|whl|jar|sh)")
_REQUIREMENTS = re.compile(r"(?i)(.*/)?requirements[^/]*\.txt")


def examine_member(name: str, content: Content, examination: Examination) -> bool:
    """Examine a member of an archive for TorchServe; False for one that is examined by what it is.

    The server puts the archive's folder first where it looks for modules, so that any module in it may be imported.
    """
    if _CODE.fullmatch(name):
        message = f"brings the code {shown(name)}, which the server can run"
        examination.tell(rules.HANDLER, content, message, identity=name)
    elif _REQUIREMENTS.fullmatch(name):
        message = f"asks the server to install what {shown(name)} lists"
        examination.tell(rules.REQUIREMENTS, content, message, identity=name)
    elif name == MANIFEST:
        examine_as(_Manifest(), content, examination)
        return True
    return False


class _Manifest:
    NAME = "torchserve-manifest"
    TEXT = True

    def matches(self, content: Content, head: bytes) -> bool:
        """It is known by its place only."""
        return False

    def examine(self, content: Content, examination: Examination) -> None:
        from wardein.errors import WardeinError
        from wardein.jsontext import strict_loads

        if content.size > _LARGEST:
            raise Unexamined("is too large for a manifest")
        try:
            manifest: Any = strict_loads(content.at(0, content.size))
        except WardeinError as error:
            raise Unexamined(f"{error.what}") from None
        model = manifest.get("model", {})
        handler, file = model.get("handler", ""), model.get("modelFile", "")
        if handler not in ("", *_HANDLERS):
            message = f"is served by the handler {shown(str(handler))}, which is none of TorchServe's own"
            examination.tell(rules.HANDLER, content, message, identity=f"handler {handler}")
        if file:
            message = f"is built by the code {shown(str(file))}"
            examination.tell(rules.HANDLER, content, message, identity=f"model file {file}")
        if wanted := model.get("requirementsFile", ""):
            message = f"asks the server to install what {shown(str(wanted))} lists"
            examination.tell(rules.REQUIREMENTS, content, message, identity=str(wanted))
