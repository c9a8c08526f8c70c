# SPDX-License-Identifier: Apache-2.0
"""Rules that a whole set of manifests breaks: what a namespace with workloads lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wardein.config.hits import Hit
from wardein.config.nodes import Node
from wardein.config.objects import allows_all, is_pod

_TRAINING_KINDS = re.compile(r"(PyTorch|TF|MPI|XGBoost|Paddle|JAX|Train|Ray|Spark|Volcano)Job$|^TrainJob$")
_TRAINING = re.compile(r"(?i)(^|[-_./])(re)?(train|training|trainer|finetune|fine-tune|finetuning|fit)([-_./0-9]|$)")
_JOBS = ("Job", "CronJob", "Workflow", "WorkflowTemplate", "CronWorkflow", "Pod")


def hits(objects: Sequence[tuple[str, Node]]) -> Iterator[tuple[str, Hit]]:
    """What the objects of all files lack together, each with the file that it is told of."""
    spaces: dict[str, list[tuple[str, Node]]] = {}
    for path, node in objects:
        spaces.setdefault(_namespace(node), []).append((path, node))
    for name, members in sorted(spaces.items()):
        workloads = [(path, node) for path, node in members if next(_templates(node), None) is not None]
        if not workloads:
            continue
        policies = [node for _, node in members if node["kind"].text == "NetworkPolicy"]
        lacking = [d for d in ("Ingress", "Egress") if not any(_denies(policy, d) for policy in policies)]
        if lacking:
            own = [(path, node) for path, node in members if node["kind"].text == "Namespace"]
            path, node = (own or workloads)[0]
            told = f"{name[:80] or 'namespace given when applied'} ({' and '.join(lacking).lower()})"
            yield path, Hit("config/no-default-deny", node, told, text=f"namespace {name}")
        for path, node in workloads:
            if _is_training(node) and not all(_is_limited(pod, policies) for pod in _templates(node)):
                told = f"{node['kind'].text[:80]} {node.at('metadata', 'name').text[:80]}"
                yield path, Hit("config/training-egress", node, told, text=told)


def _namespace(node: Node) -> str:
    metadata = node["metadata"]
    return metadata["name"].text if node["kind"].text == "Namespace" else metadata["namespace"].text


def _templates(node: Node) -> Iterator[Node]:
    """What holds the labels of each pod that an object makes: the template around the pod, or the pod itself."""
    if node["kind"].text == "Pod":
        yield node
        return
    for below in node.walk():
        if below.is_map and is_pod(below["spec"]) or below["container"]["image"].text or below["script"]["image"].text:
            yield below


def _denies(policy: Node, direction: str) -> bool:
    spec = policy["spec"]
    return _selects(spec["podSelector"], {}) and direction in _types(spec) and not list(spec[direction.lower()].each())


def _types(spec: Node) -> tuple[str, ...]:
    """A policy without policyTypes is on ingress, and on egress if it has rules for it."""
    if spec["policyTypes"].exists:
        return spec["policyTypes"].texts()
    return ("Ingress", "Egress") if spec["egress"].exists else ("Ingress",)


def _is_limited(template: Node, policies: Sequence[Node]) -> bool:
    labels = {name: value.text for name, value in template.at("metadata", "labels").items()}
    own = [p["spec"] for p in policies if "Egress" in _types(p["spec"]) and _selects(p["spec"]["podSelector"], labels)]
    return bool(own) and not any(allows_all(rule, "to") for spec in own for rule in spec["egress"].each())


def _selects(selector: Node, labels: dict[str, str]) -> bool:
    if any(labels.get(name) != value.text for name, value in selector["matchLabels"].items()):
        return False
    for term in selector["matchExpressions"].each():
        key, operator, values = term["key"].text, term["operator"].text, term["values"].texts()
        matches = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not matches.get(operator, False):
            return False
    return True


def _is_training(node: Node) -> bool:
    kind, metadata = node["kind"].text, node["metadata"]
    if _TRAINING_KINDS.search(kind):
        return True
    names = [metadata["name"].text, metadata["generateName"].text]
    names += [value.text for _, value in metadata["labels"].items()]
    return kind in _JOBS and any(_TRAINING.search(name) for name in names)
