# SPDX-License-Identifier: Apache-2.0
"""Chat templates in files of their own, known by their names: of a text, its readers can make anything else as well."""

from __future__ import annotations

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined
from wardein.modelfiles.native.templates import MAX_BYTES, examine_template, looks_like_one

NAME = "jinja"
TEXT = True

_ALWAYS = (".jinja", ".jinja2", ".j2")
_PERHAPS = (".tmpl", ".tpl", ".template", "chat_template", "chat_template.txt")


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so."""
    return content.name.lower().endswith((*_ALWAYS, *_PERHAPS))


def examine(content: Content, examination: Examination) -> None:
    """Examine it as the one template that it is."""
    if content.size > MAX_BYTES:
        raise Unexamined(f"is a template of more than {MAX_BYTES} bytes")
    text = content.at(0, content.size).decode("utf-8-sig")
    if "\0" in text:
        raise Unexamined("holds NUL bytes: it is not text")
    if content.name.lower().endswith(_ALWAYS) or looks_like_one(text):
        examine_template(text, content, examination, "template")
