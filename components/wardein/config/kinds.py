# SPDX-License-Identifier: Apache-2.0
"""Which files are configuration, of what kind, and which of them could not be read.

A file counts by what it says and by its name, wherever it lies. What looks like configuration and cannot be read is
not examined; YAML and JSON that is something else is out of scope.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from wardein.config import sagemaker
from wardein.config.dockerfiles import Instruction, read_dockerfile
from wardein.config.nodes import MAX_BYTES, Node, read_json, read_yaml
from wardein.errors import WardeinError
from wardein.report import Skipped
from wardein.scan.tree import File

Kind = Literal[
    "kubernetes",
    "helm",
    "kustomization",
    "compose",
    "cloudformation",
    "terraform",
    "dockerfile",
    "workflow",
    "pipeline",
    "sagemaker",
]
# Programs and texts are not Dockerfiles because of their names; they are if they begin like one.
_OTHER_TEXT = frozenset(
    (".md", ".rst", ".txt", ".html", ".py", ".go", ".js", ".ts", ".sh", ".yaml", ".yml", ".json", ".toml")
    + (".java", ".rb", ".ipynb", ".adoc", ".dockerignore", ".containerignore")
)
_DOCKERFILE_NAME = re.compile(r"(docker|container)file([._-].*)?\Z|.*\.(docker|container)file\Z", re.IGNORECASE)
_DOCKERFILE_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\n]*)?\r?\n|ARG [^\n]*\n)*FROM(?:[ \t]+--\S+)*"
    rb"[ \t]+[^\s]+(?: +(?:AS|as) +\S+)?[ \t]*\r?\n"
    rb"(?:[^\n]*\n)*?(?:RUN|COPY|ADD|CMD|ENTRYPOINT|WORKDIR|ENV|USER|EXPOSE|FROM|LABEL|ARG)\s"
)
_DATA = frozenset((".yaml", ".yml", ".json", ".template"))
# What a file must hold somewhere to be of a kind that is known by its content; or an escape, which may hide it.
_HINT = re.compile(
    rb"apiVersion|AWS::|AWSTemplateFormatVersion|pipelineInfo|deploymentSpec|Alexa::|Custom::"
    rb"|TrainingJobName|EndpointConfigName|ProcessingJobName|TransformJobName|NotebookInstanceName|ModelName"
    rb"|\\[uUx\r\n]|\A(?:\xff\xfe|\xfe\xff)"
)
# What is meant to be of a known kind, although it cannot be read.
_MEANT = re.compile(
    rb"(?m)^[ \t{-]*[\"']?(apiVersion|AWSTemplateFormatVersion|pipelineInfo|deploymentSpec)[\"']?[ \t]*:"
    rb"|[{,]\s*[\"']?(apiVersion|AWSTemplateFormatVersion|pipelineInfo|deploymentSpec)[\"']?\s*:"
    rb"|[\"']?Type[\"']?[ \t]*:[ \t]*[\"']?AWS::"
)
# The files of a chart that helm renders, whatever they are called, but for partials, notes and hidden files.
_TEMPLATE = re.compile(r"(charts/[^/]+/)*templates/(?!\.)(.*/)?(?!_)[^/]*(?<!NOTES\.txt)\Z")
_PARTIAL = re.compile(r"_|NOTES\.txt\Z")
# Settings of programs that look like Kubernetes objects and are none: no cluster takes them.
_NO_OBJECT = re.compile(r"((kubelet|kubeproxy|client)\.config\.k8s\.io|kubeadm\.k8s\.io|kind\.x-k8s\.io|skaffold)/")
_BY_NAME: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"(.*/)?\.github/workflows/[^/]+\.ya?ml\Z"), "workflow"),
    (re.compile(r"(.*/)?action\.ya?ml\Z"), "workflow"),
    (re.compile(r"(.*/)?(docker-)?compose([._-][^/]*)?\.ya?ml\Z", re.IGNORECASE), "compose"),
    (re.compile(r"(.*/)?(kustomization\.ya?ml|Kustomization)\Z"), "kustomization"),
)


@dataclass(frozen=True)
class ConfigFile:
    """A file of configuration that could be read.

    Attributes:
        file: Where it is.
        kind: What it is.
        text: Its text.
        objects: What it holds, for YAML and JSON: Kubernetes objects (those of lists, too), or whole documents.
        instructions: What it holds, for a Dockerfile.
    """

    file: File
    kind: Kind
    text: str
    objects: tuple[Node, ...] = ()
    instructions: tuple[Instruction, ...] = ()

    @property
    def path(self) -> str:
        """Its path in the source folder."""
        return self.file.path

    def line(self, number: int) -> str:
        """The text of a line; empty if there is none."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Recognised:
    """The configuration among the files: what was read, what could not be, and the charts' folders."""

    files: tuple[ConfigFile, ...]
    skipped: tuple[Skipped, ...]
    charts: tuple[str, ...]


def recognise(files: Sequence[File]) -> Recognised:
    """Find and read the configuration among files."""
    charts = _charts(files)
    found, skipped = [], []
    for file in files:
        try:
            item = _read(file, charts)
        except WardeinError as error:
            skipped.append(Skipped(file.path, error.what))
        else:
            found += [item] if item else []
    return Recognised(tuple(found), tuple(skipped), charts)


def chart_of(path: str, charts: Sequence[str]) -> str | None:
    """The folder of the outermost chart that a file belongs to."""
    return next((chart for chart in charts if path.startswith(f"{chart}/" if chart else "")), None)


def _charts(files: Sequence[File]) -> tuple[str, ...]:
    folders = sorted(f.path.rpartition("/")[0] for f in files if f.name == "Chart.yaml")
    paths = {f.path for f in files}
    with_templates = [
        folder for folder in folders if any(p.startswith(f"{folder}/templates/".lstrip("/")) for p in paths)
    ]
    outermost: list[str] = []
    for folder in with_templates:
        if chart_of(f"{folder}/Chart.yaml".lstrip("/"), outermost) is None:
            outermost.append(folder)
    return tuple(outermost)


def _read(file: File, charts: Sequence[str]) -> ConfigFile | None:
    chart = chart_of(file.path, charts)
    if chart is not None and (template := _read_in_chart(file, file.path.removeprefix(chart).lstrip("/"))):
        return template
    if file.name.endswith(".tofu.json"):
        raise WardeinError("is OpenTofu written as JSON, which no scanner here reads", where=file.path)
    if file.suffix == ".tf" or file.name.endswith((".tf.json", ".tofu")):
        return ConfigFile(file, "terraform", _text(file))
    if file.suffix in _DATA or file.name == "Kustomization":
        return _read_data(file)
    return _read_dockerfile(file)


def _read_in_chart(file: File, path: str) -> ConfigFile | None:
    """A template of a chart, by its path in the chart; nothing if it is none."""
    is_data = file.suffix in _DATA and "/templates/" in f"/{path}" and not _PARTIAL.match(file.name)
    if file.name.endswith(".tgz") and "/charts/" in f"/{path}":
        raise WardeinError("is a packed chart, which is not examined; unpack it", where=file.path)
    if not is_data and not _TEMPLATE.match(path):
        return None
    if file.name.lower() in ("values.schema.json", ".helmignore") or file.name.endswith((".tgz", ".tar", ".gz")):
        raise WardeinError("is no template that is rendered here", where=file.path)
    return ConfigFile(file, "helm", _text(file))


def _read_dockerfile(file: File) -> ConfigFile | None:
    is_named = bool(_DOCKERFILE_NAME.match(file.name)) and file.suffix not in _OTHER_TEXT
    if not is_named:
        with open(file.real, "rb") as opened:
            begins = bool(_DOCKERFILE_START.match(opened.read(65536)))
        if not begins or file.suffix in (".md", ".rst", ".txt", ".html", ".adoc"):
            return None
    text = _text(file)
    return ConfigFile(file, "dockerfile", text, instructions=tuple(read_dockerfile(text, file.path)))


def _read_data(file: File) -> ConfigFile | None:
    kind = next((kind for pattern, kind in _BY_NAME if pattern.match(file.path)), None)
    if kind is None and not _holds(file, _HINT):
        return None
    try:
        text = _text(file)
        documents = [read_json(text, file.path)] if _is_json(file, text) else read_yaml(text, file.path)
    except WardeinError:
        if kind or _holds(file, _MEANT) or _is_meant_in_utf16(file):
            raise
        return None
    return _classified(file, kind, text, documents)


def _is_json(file: File, text: str) -> bool:
    return file.suffix == ".json" or (file.suffix == ".template" and text.lstrip().startswith("{"))


def _classified(file: File, named: Kind | None, text: str, documents: Sequence[Node]) -> ConfigFile | None:
    kinds = {kind for kind in map(_kind, documents) if kind}
    if len(kinds) > 1:
        raise WardeinError("holds documents of several kinds; give each a file of its own", where=file.path)
    kind = next(iter(kinds), None)
    if named in ("workflow", "compose"):
        kind = _named(file, named, kind, documents)
    elif named and not kind:
        kind = named
    if not kind:
        return None
    if kind == "kubernetes":
        objects = tuple(each for document in documents for each in _unlisted(document, file.path))
        return ConfigFile(file, kind, text, objects)
    if len(documents) > 1 and kind in ("cloudformation", "sagemaker"):
        raise WardeinError(f"is a {kind} file with more than one document", where=file.path)
    return ConfigFile(file, kind, text, tuple(documents))


def _named(file: File, named: Kind, kind: Kind | None, documents: Sequence[Node]) -> Kind | None:
    """The kind of a file that is called like a workflow or a Compose file, given what it says it is."""
    of_name = ("jobs", "runs") if named == "workflow" else ("services", "include")
    is_named = bool(documents) and any(documents[0][key].exists for key in of_name)
    if is_named and kind:
        raise WardeinError(f"is a {named} file and something else at once", where=file.path)
    if is_named or kind:
        return kind or named
    if named == "compose" or file.name.startswith("action."):
        return None  # a name that other things have, too
    raise WardeinError("is no workflow: it has no jobs", where=file.path)


def _kind(document: Node) -> Kind | None:
    if document["apiVersion"].text and document["kind"].text:
        if _NO_OBJECT.match(document["apiVersion"].text) and not document["metadata"].exists:
            return None
        is_kustomization = document["apiVersion"].text.startswith("kustomize.config.k8s.io/")
        return "kustomization" if is_kustomization else "kubernetes"
    tests: tuple[tuple[Kind, Callable[[Node], object]], ...] = (
        ("cloudformation", sagemaker.is_template),
        ("pipeline", lambda node: node["pipelineInfo"].exists and node["deploymentSpec"].exists),
        ("sagemaker", sagemaker.request),
    )
    return next((kind for kind, test in tests if test(document)), None)


def _unlisted(document: Node, path: str) -> Iterator[Node]:
    """A Kubernetes object, or those that a list holds."""
    if not document["apiVersion"].text or not document["kind"].text:
        raise WardeinError(f"line {document.line} begins a document that is no Kubernetes object", where=path)
    if document["kind"].text.endswith("List") and isinstance(document["items"].value, list):
        for item in document["items"].each():
            yield from _unlisted(item, path)
    else:
        yield document


def _text(file: File) -> str:
    if file.bytes > MAX_BYTES:
        raise WardeinError(f"is larger than {MAX_BYTES} bytes", where=file.path)
    try:
        return file.real.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WardeinError("is not UTF-8", where=file.path) from None
    except OSError as error:
        raise WardeinError(f"cannot be read ({error.strerror})", where=file.path) from None


def _holds(file: File, pattern: re.Pattern[bytes]) -> bool:
    if not file.bytes:
        return False
    try:
        with open(file.real, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return pattern.search(content) is not None
    except OSError as error:
        raise WardeinError(f"cannot be read ({error.strerror})", where=file.path) from None


def _is_meant_in_utf16(file: File) -> bool:
    with open(file.real, "rb") as opened:
        start = opened.read(MAX_BYTES)
    is_utf16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    return is_utf16 and _MEANT.search(start.decode("utf-16", "replace").encode()) is not None
