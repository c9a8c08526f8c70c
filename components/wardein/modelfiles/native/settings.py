# SPDX-License-Identifier: Apache-2.0
"""What a setting can make its reader do, wherever it stands: in JSON or in YAML, under whatever file name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, TypeGuard

from wardein.modelfiles.content import Content
from wardein.modelfiles.examination import Examination, shown
from wardein.modelfiles.native import rules
from wardein.modelfiles.native.templates import examine_template, looks_like_one
from wardein.report import Severity

_CLASS = r"[A-Z]\w*"
# A file of a package is called by several words; a library that it imports, by one.
_FILE = r"[a-z]+[a-z0-9]*(?:_[a-z0-9]+)+"


def _below(package: str, words: str = "", most: int = 1) -> str:
    """The classes of a package, and of what is below it: only through names that are known to be its own."""
    steps = "|".join([*words.split(), _FILE])
    return rf"{re.escape(package)}(?:\.(?:{steps})){{0,{most}}}\.{_CLASS}"


_MODULES = (
    r"torch\.nn(?:\.modules(?:\.(?:activation|adaptive|batchnorm|channelshuffle|container|conv|distance|dropout"
    r"|flatten|fold|instancenorm|linear|loss|normalization|padding|pixelshuffle|pooling|rnn|sparse|transformer"
    r"|upsampling))?|\.parallel|\.parameter)?\.[A-Z]\w*"
)
_LATENT = (
    "api attention autoencoder autoencoding callbacks classifier contperceptual data ddim ddpm denoiser diffusion "
    "diffusionmodules discretizer distributions dpm_solver encoders guiders image_degradation karlo loss losses lpips "
    "midas model models modules openaimodel perceptual plms quantize regularizers sampling temporal_ae upscaling "
    "vqgan vqperceptual vqvae wrappers x_transformer"
)
_SPEECH = (
    "aligner alignment asr audio beats callbacks classes common config contrastive ctc data datasets diffusion "
    "encoders features fastpitch g2p hifigan inference languages llm loss losses mechanisms megatron metrics mixins "
    "models modules multimodal nlp optim parts preprocessing processing quantization radtts rnnt speechlm speechlm2 "
    "submodules tacotron2 tokenizers transducer transformer tts univnet utils vision vits vlm vocoder waveglow"
)
# What hydra and NeMo may be told to make: classes that only compute. The way to one leads through no other library,
# which every module of Python has for an attribute as soon as it imports it.
_CLASSES = re.compile(
    "|".join([
        _MODULES,
        r"torch\.optim(?:\.(?:lr_scheduler|swa_utils))?\.[A-Z]\w*",
        _below("torch.optim", "adadelta adagrad adam adamax adamw asgd lbfgs nadam radam rmsprop rprop sgd"),
        _below("torchmetrics", "aggregation audio classification clustering detection image nominal regression "
               "retrieval segmentation text wrappers", 2),
        _below("torchvision.models", "alexnet convnext densenet detection efficientnet googlenet inception maxvit "
               "mnasnet mobilenet mobilenetv2 mobilenetv3 regnet resnet segmentation shufflenetv2 squeezenet vgg "
               "video", 2),
        r"torchvision\.transforms(?:\.transforms|\.v2)?\.[A-Z]\w*",
        r"torchaudio\.transforms\.[A-Z]\w*",
        r"transformers\.models\.[a-z][a-z0-9_]*\.(?:(?:modeling|configuration|tokenization|processing"
        r"|image_processing|feature_extraction|video_processing)_[a-z0-9_]+\.)?[A-Z]\w*",
        r"transformers\.[A-Z]\w*(?:Model|Config|Tokenizer|TokenizerFast|Processor|FeatureExtractor|For[A-Z]\w*|Encoder|Decoder)",
        r"diffusers\.[A-Z]\w*",
        _below("diffusers.models", "activations attention autoencoders controlnet controlnets embeddings lora "
               "normalization resnet unets upsampling vae", 2),
        r"diffusers\.models\.transformers\.(?:" + _FILE + r"\.)?[A-Z]\w*",
        _below("diffusers.schedulers"),
        _below("nemo.collections", _SPEECH, 6),
        r"nemo\.collections\.tts\.torch\.(?:data|tts_tokenizers)\.[A-Z]\w*",
        _below("nemo.core", _SPEECH, 4),
        _below("megatron.core", "datasets distributed inference models modules optimizer transformer gpt bert t5 "
               "mamba fusions extensions tokenizers", 4),
        *(_below(f"{root}.{part}", "callback checkpoint comet logger mlflow neptune tensorboard timer wandb")
          for root in ("pytorch_lightning", "lightning.pytorch") for part in ("callbacks", "loggers")),
        *(_below(root, f"{_LATENT} {root}", 5) for root in ("ldm", "sgm", "cldm", "taming")),
    ])
)  # fmt: skip
# Classes that a module may have imported, and that do more than compute as soon as they are made.
_NEVER = frozenset({"CDLL", "Connection", "Listener", "Manager", "Pool", "Popen", "Process", "PyDLL", "Thread"})
_SENTENCES = re.compile(
    r"sentence_transformers\.(?:sparse_encoder\.)?models(?:\.[A-Z]\w*|\.tokenizer(?:\.[A-Z]\w*)?)?\.[A-Z]\w*"
)
_LAYER = re.compile(_MODULES)
_PARENTS = ("transformers.models.", "diffusers.", "sentence_transformers.", "timm.", "peft.", "torch.nn.")
_LONG = 200
# A name with dots, as it can be imported; numbers are none.
_IMPORTED = re.compile(r"[^\W\d][\w-]*(?:\.[^\W\d][\w-]*)+")
# Files have a dot in their names as well; no library has anything to call that is named so.
_FILES = re.compile(r"[^.]*\.(?:csv|json|npy|parquet|tsv|txt|ya?ml)")
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
    return key in _SETTINGS or _is_pickled(key) or "template" in key.lower()


def makes_below(key: str) -> bool:
    """Whether a target somewhere below a setting of this name is what its reader calls, as latent diffusion has it."""
    return key == "model" or key.endswith("_config")


def examine_setting(key: str, value: Any, content: Content, examination: Examination, made: bool = False) -> None:
    """Examine one setting; the settings in its value are examined on their own.

    Args:
        key: Its name.
        value: Its value: what JSON can write.
        content: Where it stands.
        examination: Takes what is found.
        made: Whether its place says that a target is called: there are ``params`` beside it, or a ``model`` above.
    """
    if made and key == "target":
        _made_target(key, value, content, examination)
        return
    if "template" in key.lower():
        for where, text in texts(value, key):
            if looks_like_one(text):
                examine_template(text, content, examination, where)
    elif _is_pickled(key):
        named = [text for _, text in texts(value, key)] if isinstance(value, (dict, list)) else [str(value)]
        what = shown(" ".join(text[:_LONG] for text in named[:3]))
        message = f"has jsonpickle's {shown(key)}, which imports and calls {what}"
        identity = _identity(key, *named)
        examination.tell(rules.INSTANTIATE, content, message, identity=identity, severity=Severity.CRITICAL)
    else:
        _SETTINGS[key](key, value, content, examination)


def texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in the value of a setting, and the keys that lead to it, shortened where they are long.

    What is in a setting of the same kind is left to that one.
    """
    kind = _kind(key)
    waiting: list[tuple[str, Iterator[tuple[str, Any]]]] = [("", iter([(key, value)]))]
    while waiting:
        above, items = waiting[-1]
        for name, item in items:
            place = _place(above, name)
            if isinstance(item, str):
                yield place, item
            elif isinstance(item, dict):
                waiting.append((place, ((inner, it) for inner, it in item.items() if _kind(inner) != kind)))
                break
            elif isinstance(item, list):
                waiting.append((place, (("", it) for it in item)))
                break
        else:
            waiting.pop()


def _kind(key: str) -> str:
    return "template" if "template" in key.lower() else key.partition("/")[0] + "/" if _is_pickled(key) else key


def _is_pickled(key: str) -> bool:
    return key.startswith(("py/", "json://"))


def _place(above: str, name: str) -> str:
    place = f"{above}.{name[:_LONG]}" if above and name else above or name[:_LONG]
    return place if len(place) <= 2 * _LONG else f"{place[:_LONG]}…{place[1 - _LONG :]}"


def walk(value: Any, content: Content, examination: Examination, below: bool = False) -> None:
    """Examine every setting in a value that was read as a whole; ``below`` a model, if it lies there."""
    # Aliases give a value several places: below a model and elsewhere it is examined as both.
    waiting: list[tuple[Any, bool]] = [(value, below)]
    seen = set()
    while waiting:
        item, below = waiting.pop()
        if not isinstance(item, (dict, list)) or (id(item), below) in seen:
            continue
        seen.add((id(item), below))
        if isinstance(item, list):
            waiting.extend((inner, below) for inner in item)
            continue
        made = below or "params" in item
        for key, inner in item.items():
            if isinstance(key, str) and is_wanted(key):
                examine_setting(key, inner, content, examination, made)
            # A setting that is there twice lies below the empty name, beside the same others.
            waiting.append((inner, made if key == "" else below or (isinstance(key, str) and makes_below(key))))


def _identity(key: str, *named: str) -> str:
    """What a finding is recognised by, of a bounded length."""
    whole = " ".join([key, *named])
    return whole if len(whole) <= _LONG else f"{whole[:_LONG]} {sha256(whole.encode('utf-8', 'replace')).hexdigest()}"


def leads_outside(path: str) -> bool:
    """Whether a path leads out of the folder that it starts in, on any system."""
    parts = re.split(r"[/\\]", path)
    return ".." in parts or path[:1] in ("/", "\\", "~") or ":" in path or "\0" in path


def _remote_code(key: str, value: Any, content: Content, examination: Examination) -> None:
    named = sorted({text for _, text in texts(value, key) if text.lower() not in _NOTHING})
    if named:
        what = ", ".join(shown(text) for text in named[:5])
        examination.tell(
            rules.REMOTE_CODE, content, f"{key} names code to import: {what}", identity=_identity(key, *named)
        )


def _trust(key: str, value: Any, content: Content, examination: Examination) -> None:
    if value and str(value).lower() not in _NOTHING:
        examination.tell(rules.REMOTE_CODE, content, f"{key} is switched on", identity=key)


def _attention(key: str, value: Any, content: Content, examination: Examination) -> None:
    # A name with a slash is a repository whose compiled kernels are fetched and loaded.
    for _, text in texts(value, key):
        if "/" in text:
            message = f"{key} fetches compiled code from {shown(text)}"
            examination.tell(rules.REMOTE_CODE, content, message, identity=_identity(key, text))


def _target(key: str, value: Any, content: Content, examination: Examination) -> None:
    if isinstance(value, str) and not _is_known_class(value):
        _tell_called(key, value, content, examination)


def _tell_called(key: str, value: str, content: Content, examination: Examination) -> None:
    message = f"{key} makes its reader import and call {shown(value)}"
    examination.tell(rules.INSTANTIATE, content, message, identity=_identity(key, value))


def _activation(key: str, value: Any, content: Content, examination: Examination) -> None:
    # A plain name is looked up in a table; sentence-transformers imports and calls one with dots.
    if _is_imported(value) and not (_LAYER.fullmatch(value) and value.isascii()):
        _tell_called(key, value, content, examination)


def _tokenizer_class(key: str, value: Any, content: Content, examination: Examination) -> None:
    if _is_imported(value) and not _SENTENCES.fullmatch(value):
        _target(key, value, content, examination)


def _types(key: str, value: Any, content: Content, examination: Examination) -> None:
    # The parts of a router, by their names.
    for _, text in texts(value, key) if isinstance(value, dict) else ():
        if _is_imported(text) and not _SENTENCES.fullmatch(text):
            _target(key, text, content, examination)


def _made_target(key: str, value: Any, content: Content, examination: Examination) -> None:
    if _is_imported(value):
        _target(key, value, content, examination)


def _is_imported(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and _IMPORTED.fullmatch(value) is not None and not _FILES.fullmatch(value)


def _is_known_class(name: str) -> bool:
    return _CLASSES.fullmatch(name) is not None and name.isascii() and name.rpartition(".")[2] not in _NEVER


def _latent_target(key: str, value: Any, content: Content, examination: Examination) -> None:
    # Plain data has targets too: a column to predict, a host. What is imported has two dots, or is of Python's own.
    if isinstance(value, str) and (_is_of_python(value) or (value.count(".") > 1 and _PLAIN_NAME.fullmatch(value))):
        _target(key, value, content, examination)


def _class_path(key: str, value: Any, content: Content, examination: Examination) -> None:
    # Whoever trains with Lightning has classes of their own; neither Python's nor a function is one.
    if not _is_imported(value):
        return
    *parts, last = value.split(".")
    if not _PYTHON.isdisjoint(parts) or not last.lstrip("_")[:1].isupper() or last in _NEVER:
        _target(key, value, content, examination)


def _is_of_python(name: str) -> bool:
    root, dot, _ = name.partition(".")
    return bool(dot) and root in _PYTHON


def _parent(key: str, value: Any, content: Content, examination: Examination) -> None:
    for where, library in texts(value, key):
        if where.endswith(".parent_library") and not f"{library}.".startswith(_PARENTS):
            message = f"{key} makes its reader import {shown(library)}"
            examination.tell(rules.INSTANTIATE, content, message, identity=_identity(key, library))


def _library(key: str, value: Any, content: Content, examination: Examination) -> None:
    for _, text in texts(value, key):
        if text.lower() not in _NOTHING:
            message = f"{key} loads the library {shown(text)}"
            examination.tell(rules.NATIVE_CODE, content, message, identity=_identity(key, text))


def _codec(key: str, value: Any, content: Content, examination: Examination) -> None:
    named = {text for where, text in texts(value, key) if where.endswith((".id", ".name"))}
    for name in sorted(named & _PICKLING):
        message = f"{key} decodes its data with {name}"
        examination.tell(rules.INSTANTIATE, content, message, identity=_identity(key, name))


def _weight_map(key: str, value: Any, content: Content, examination: Examination) -> None:
    for name in sorted({text for _, text in texts(value, key)}):
        if leads_outside(name):
            examination.tell(rules.OUTSIDE, content, f"{key} leads to {shown(name)}", identity=_identity(key, name))


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
    "activation_function": _activation,
    "activation_fn": _activation,
    "sbert_ce_default_activation_function": _activation,
    "tokenizer_class": _tokenizer_class,
    "types": _types,
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
