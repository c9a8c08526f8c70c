# SPDX-License-Identifier: Apache-2.0
"""What a rule says of a place in a document, and what several rules ask of texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wardein.config.nodes import Node

# A name that ends like this holds a secret. The Rego rules use the same three expressions.
SECRET_NAME = re.compile(
    r"(?i)(^|[_.-])(password|passwd|pwd|passphrase|secret|token|credentials?|apikey|api[_.-]?key"
    r"|(access|private|secret|account)[_.-]?key([_.-]id)?)$"
)
_NO_SECRET_NAME = re.compile(r"(?i)(^|[_.-])(pad|eos|bos|unk|sep|cls|mask|stop|image)[_.-]token$")
# What stands for a value that comes from elsewhere, or for none.
_NO_SECRET = re.compile(r"^[$<{\[%]|\$\(|\$\{|\{\{|^(?i:true|false|none|null)?$|^[0-9]{1,3}$")
_SECRET = re.compile(
    r"(AKIA|ASIA)[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pousr]_[0-9A-Za-z]{20}|\bhf_[0-9A-Za-z]{20}"
    r"|\bsk-[0-9A-Za-z_-]{20}|\bAIza[0-9A-Za-z_-]{30}|xox[abp]-[0-9A-Za-z-]{10}|://[^/@:\s]+:[^/@$\s{]+@"
)
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._/:-]{0,200}(@sha256:[0-9a-f]{64})?\Z")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
# A version, or a variable that stands for an image, is no tag that moves by itself.
_DOWNLOAD = re.compile(r"\b(curl|wget)\b")
_SHELL = re.compile(r"\s*((sudo\s+(-\S+\s+)*)?(env\s+)?(/\S*/)?(ba|z|da|k)?sh\b|(sudo\s+)?(/\S*/)?python[0-9.]*\b)")
_OF_DOWNLOAD = re.compile(r"\b(ba|z|da)?sh\s+(-c\s+)?[\"']?(<\(|\$\(|`)\s*(curl|wget)\b")


@dataclass(frozen=True)
class Hit:
    """One finding of a rule in a document.

    Attributes:
        rule: The rule's id.
        node: Where it is.
        detail: What exactly, in words that hold no value that could be a secret.
        text: What makes it recognisable when lines move; the line's own text if empty.
    """

    rule: str
    node: Node
    detail: str = ""
    text: str = ""


def is_secret(name: str, value: str) -> bool:
    """Whether a name and its value, or the value alone, look like a secret that was written out."""
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    named = bool(SECRET_NAME.search(snake)) and not _NO_SECRET_NAME.search(snake)
    return (named and not _NO_SECRET.search(value)) or bool(_SECRET.search(value))


def runs_download(script: str) -> bool:
    """Whether a script hands what it downloads to a shell."""
    script = script.replace("\\\n", " ")
    # Command by command: one expression over the whole of it would take time that grows with its square.
    parts = re.split(r"([|;&])", script)
    pipes = zip(parts[::2], parts[1::2], parts[2::2], strict=False)
    piped = any(by == "|" and _SHELL.match(to) and _DOWNLOAD.search(of) for of, by, to in pipes)
    return piped or bool(_OF_DOWNLOAD.search(script))


def image_hits(node: Node, image: str) -> Iterator[Hit]:
    """What is wrong with how an image is named."""
    if not image or _DIGEST.search(image):
        return
    shown = f"{image}" if _IMAGE.match(image) else "an image"
    tag = image.rpartition("/")[2].partition(":")[2]
    if "$" not in image and "{{" not in image and tag in ("", "latest"):
        yield Hit("config/image-latest", node, shown, text=f"image {shown}")
    yield Hit("config/image-without-digest", node, shown, text=f"image {shown}")
