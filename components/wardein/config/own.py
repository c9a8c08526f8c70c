# SPDX-License-Identifier: Apache-2.0
"""wardein's own rules, on every kind of file that they know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wardein.config import compose, dockerfiles, namespaces, objects, pipelines, sagemaker, workflows
from wardein.config.hits import Hit
from wardein.config.kinds import ConfigFile
from wardein.config.rules import BY_ID
from wardein.errors import printable
from wardein.scan.merge import Found
from wardein.scan.tree import File

KINDS = ("kubernetes", "kustomization", "compose", "cloudformation", "dockerfile", "workflow", "pipeline", "sagemaker")


def scan(configs: Sequence[ConfigFile], files: Sequence[File]) -> list[Found]:
    """What the rules find in files of the kinds :data:`KINDS`; ``files`` are all files of the folder."""
    result: list[Found] = []
    by_path = {config.path: config for config in configs}
    paths = frozenset(file.path for file in files)
    for config in configs:
        result += told(config, _hits(config, paths))
    together = [(config.path, node) for config in configs if config.kind == "kubernetes" for node in config.objects]
    for path, hit in namespaces.hits(together):
        result += told(by_path[path], [hit])
    return result


def told(config: ConfigFile, hits: Iterable[Hit]) -> Iterator[Found]:
    """What rules say of one file, as findings."""
    for hit in hits:
        line, last = hit.node.line, hit.node.last
        yield found(config.path, hit.rule, hit.detail, line, last, hit.text or config.line(line))


def found(path: str, rule_id: str, detail: str, line: int, last: int, text: str) -> Found:
    """One finding of one of the rules."""
    rule = BY_ID[rule_id]
    message = f"{rule.title}: {printable(detail)}" if detail else rule.title
    return Found(rule.id, path, rule.severity, message, line=line, last=last, text=text, cwe=rule.cwe)


def _hits(config: ConfigFile, paths: frozenset[str]) -> Iterator[Hit]:
    if config.kind == "dockerfile":
        folder = config.path.rpartition("/")[0]
        beside = (f"{config.path}.dockerignore", f"{folder}/.dockerignore".lstrip("/"), ".dockerignore")
        yield from dockerfiles.hits(config.instructions, any(path in paths for path in beside))
    for node in config.objects:
        if config.kind == "kubernetes":
            yield from objects.hits(node)
        elif config.kind == "kustomization":
            yield from compose.kustomization_hits(node)
        elif config.kind == "compose":
            yield from compose.hits(node)
        elif config.kind == "cloudformation":
            yield from sagemaker.template_hits(node)
        elif config.kind == "workflow":
            yield from workflows.hits(node)
        elif config.kind == "pipeline":
            yield from pipelines.hits(node)
        elif config.kind == "sagemaker":
            yield from sagemaker.request_hits(sagemaker.request(node), node, node)
