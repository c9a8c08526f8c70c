# SPDX-License-Identifier: Apache-2.0
"""YAML: read as events, one after the other; tags that make objects and settings that call something are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, Unexamined, shown
from wardein.modelfiles.native import rules, settings
from wardein.report import Severity

NAME = "yaml"
TEXT = True

MAX_BYTES = 4 * 1024**2
# Reading YAML is slow: so many values of all files together at most, and a value for every so many bytes.
MAX_NODES = 300_000
_BYTES_OF_A_VALUE = 64
# Aliases repeat what they stand for: so many values at most, written out.
MAX_EXPANDED = 1_000_000
_DEEPEST = 64
_NAMES = (".yaml", ".yml")
_CALLED = frozenset({"mlmodel", "conda.yaml", "dvc.lock"})
_CALLS = "new|name|apply|applyref|module|include"
# What PyYAML's unsafe loaders and HyperPyYAML make objects of; a tag can be spelled with escapes and with a prefix of
# its own, in lines that end in several ways.
CALLING_TAG = re.compile(
    rb"!\s*(?:!|<)\s*\S*python|!\S*%[0-9A-Fa-f]{2}|yaml\.org,2002:python|%TAG|!<?!?(?:" + _CALLS.encode() + rb"):"
)
_CALL = re.compile(f"!(?:{_CALLS}):.*", re.DOTALL)
# Classes that only compute, by the very modules that they are in: a longer path could lead through any import.
_KNOWN_CLASS = re.compile(
    r"!(?:new|name):(?:torch\.(?:nn|optim|optim\.lr_scheduler)"
    r"|speechbrain\.(?:lobes\.(?:features|augment|downsampling)"
    r"|lobes\.models\.(?:[A-Z]\w*|beats|conv_tasnet|convolution|dual_path|resnet|resepformer|segan_model|wav2vec"
    r"|transformer\.(?:Transformer|TransformerASR|TransformerLM|TransformerSE|TransformerST|Conformer|Branchformer)"
    r"|huggingface_(?:transformers\.(?:hubert|wav2vec2|wavlm|whisper|weighted_ssl|gpt|llama2|mbart|nllb)"
    r"|wav2vec|whisper))"
    r"|nnet\.(?:CNN|RNN|activations|attention|autoencoder|complex_networks\.[cq]_\w+|containers|dropout|embedding|linear"
    r"|losses|normalization|pooling|quantisers|schedulers|transducer\.transducer_joint)"
    r"|processing\.(?:PLDA_LDA|decomposition|diarization|features|multi_mic|signal_processing|speech_augmentation)"
    r"|decoders\.(?:ctc|scorer|seq2seq|transducer)|dataio\.(?:encoder|legacy|sampler)"
    r"|augment\.(?:augmenter|codec|freq_domain|preparation|time_domain)"
    r"|tokenizers\.SentencePiece|utils\.(?:metric_stats|parameter_transfer|epoch_loop)))\.[A-Z]\w*"
)
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in (
        "null",
        "bool",
        "int",
        "float",
        "binary",
        "timestamp",
        "omap",
        "pairs",
        "set",
        "str",
        "seq",
        "map",
        "merge",
        "value",
    )  # fmt: skip
)


def matches(content: Content, head: bytes) -> bool:
    """Whether it is called so, or says that it is; other texts with Python's tags are found as texts."""
    name = content.name.lower()
    return name.endswith(_NAMES) or name in _CALLED or head.startswith(b"%YAML")


def examine(content: Content, examination: Examination) -> None:
    """Read every document; examine its tags and the settings that can do something."""
    for document in documents(content, examination, tells=True):
        settings.walk(document, content, examination)


class NoYaml(Unexamined):
    """It is not YAML: every reader stops there, and what came before was examined."""


def documents(content: Content, examination: Examination, *, tells: bool) -> Iterator[Any]:
    """The documents of a content, plain values only: every scalar is its text, an alias the very value it stands for.

    Args:
        content: What to read.
        examination: Bounds how much YAML is read in all.
        tells: Whether it takes what is found of tags, too.

    Raises:
        Unexamined: If it is too large, nested too deep, not YAML, or would grow without bound.
    """
    try:
        import yaml
    except ImportError:
        raise Unexamined("YAML needs PyYAML to be examined: pip install 'wardein[scan]'") from None
    if content.size > MAX_BYTES:
        raise Unexamined(f"is YAML of more than {MAX_BYTES} bytes")
    reader = _Reader(content, examination, tells)
    try:
        # The loader in Python: the one in C overruns its stack on brackets.
        for event in yaml.parse(content.at(0, content.size), Loader=yaml.SafeLoader):
            yield from reader.take(event)
    except yaml.YAMLError as error:
        raise NoYaml(f"is not valid YAML ({shown(str(error).partition(chr(10))[0])})") from None


# How many values were read in each examination.
_read: WeakKeyDictionary[Examination, int] = WeakKeyDictionary()


@dataclass
class _Open:
    """A mapping or sequence that is being read."""

    value: Any
    anchor: str | None
    size: int = 1
    key: list[Any] = field(default_factory=list)


class _Reader:
    """Puts events together."""

    def __init__(self, content: Content, examination: Examination, tells: bool) -> None:
        self._content, self._examination, self._tells = content, examination, tells
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count(content.size // _BYTES_OF_A_VALUE)

    def _count(self, values: int) -> None:
        _read[self._examination] = _read.get(self._examination, 0) + values
        if _read[self._examination] > MAX_NODES:
            raise Unexamined(f"makes more than {MAX_NODES} values of YAML, with the other files")

    def take(self, event: Any) -> Iterator[Any]:
        """Take one event; a document that it ends."""
        from yaml import events

        self._count(1)
        if isinstance(event, events.DocumentStartEvent):
            self._anchors = {}
        if getattr(event, "tag", None):
            self._tell_tag(event.tag, event)
        if isinstance(event, events.ScalarEvent):
            yield from self._put(event.value, 1, event.anchor)
        elif isinstance(event, events.AliasEvent):
            if event.anchor not in self._anchors:
                raise NoYaml(f"refers to {shown(str(event.anchor))} before it is there")
            value, size = self._anchors[event.anchor]
            yield from self._put(value, size, None)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if len(self._open) >= _DEEPEST:
                raise Unexamined(f"is nested deeper than {_DEEPEST} levels")
            self._open.append(_Open({} if isinstance(event, events.MappingStartEvent) else [], event.anchor))
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            done = self._open.pop()
            yield from self._put(done.value, done.size, done.anchor)

    def _put(self, value: Any, size: int, anchor: str | None) -> Iterator[Any]:
        if anchor:
            self._anchors[anchor] = value, size
        if not self._open:
            yield value
            return
        outer = self._open[-1]
        outer.size += size
        if outer.size > MAX_EXPANDED:
            raise Unexamined(f"grows to more than {MAX_EXPANDED} values where its aliases are written out")
        if isinstance(outer.value, list):
            outer.value.append(value)
        elif not outer.key:
            outer.key.append(value)
        else:
            self._member(outer, outer.key.pop(), value)

    def _member(self, outer: _Open, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            # A key that is a list or a mapping: what it holds counts, by a name that no setting has.
            outer.value.setdefault("", []).append([key, value])
        elif key in outer.value and key != "<<":
            if self._tells:
                message = f"has the setting {shown(key)} twice"
                self._examination.tell(rules.DUPLICATE_KEY, self._content, message, identity=key)
            outer.value.setdefault("", []).append({key: value})
        elif key == "":
            outer.value.setdefault("", []).append(value)
        else:
            outer.value[key] = value

    def _tell_tag(self, tag: str, event: Any) -> None:
        if not self._tells or tag in _PLAIN_TAGS or tag == "!":
            return
        at = f"at line {event.start_mark.line + 1}"
        if "python" in tag.lower():
            calls = f"makes its reader import and call something: {shown(tag)} {at}"
            rule, severity = rules.INSTANTIATE, Severity.CRITICAL
            self._examination.tell(rule, self._content, calls, identity=tag, severity=severity)
        elif _CALL.fullmatch(tag) and not _KNOWN_CLASS.fullmatch(tag):
            calls = f"makes its reader import, call or include something: {shown(tag)} {at}"
            self._examination.tell(rules.INSTANTIATE, self._content, calls, identity=tag)
        else:
            self._examination.tell(rules.YAML_TAG, self._content, f"has the tag {shown(tag)} {at}", identity=tag)
