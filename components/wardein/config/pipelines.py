# SPDX-License-Identifier: Apache-2.0
"""Rules for pipelines as the KFP compiler writes them (its intermediate representation)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wardein.config.hits import Hit, image_hits, is_secret
from wardein.config.nodes import Node

_GATE = re.compile(r"(^|[-_ ])(gate|scan|promote|verify|approve|approval|audit|attest|sign)([-_ ]|$)", re.IGNORECASE)
_LIMITS = {"cpu": ("cpuLimit", "resourceCpuLimit"), "memory": ("memoryLimit", "resourceMemoryLimit")}


def hits(pipeline: Node) -> Iterator[Hit]:
    """What a compiled pipeline breaks."""
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        yield from _container(name, executor["container"])
    for component in [pipeline["root"], *(node for _, node in pipeline["components"].items())]:
        for name, parameter in component.at("inputDefinitions", "parameters").items():
            yield from _secret(name, parameter["defaultValue"], parameter)
        for name, task in component.at("dag", "tasks").items():
            yield from _task(name, task)


def _container(name: str, container: Node) -> Iterator[Hit]:
    if not container.exists:
        return
    yield from image_hits(container["image"], container["image"].text)
    resources = container["resources"]
    missing = [kind for kind, names in _LIMITS.items() if not any(resources[field].exists for field in names)]
    if missing:
        told = f"{name.removeprefix('exec-')[:80]}: {', '.join(missing)}"
        yield Hit("config/no-limits", container, told, text=f"{name} limits")
    for variable in container["env"].each():
        name = variable["name"].text
        if is_secret(name, variable["value"].text):
            yield Hit("config/secret-in-env", variable, f"{name[:80]} (the value is not shown)", text=f"env {name}")


def _task(name: str, task: Node) -> Iterator[Hit]:
    names = (name, task.at("taskInfo", "name").text, task.at("componentRef", "name").text.removeprefix("comp-"))
    if any(_GATE.search(text) for text in names):
        if task.at("cachingOptions", "enableCache").is_true:
            yield Hit("config/gate-cached", task["cachingOptions"], name[:80], text=f"task {name}")
        if task["retryPolicy"].exists:
            yield Hit("config/gate-retried", task["retryPolicy"], name[:80], text=f"task {name}")
    for parameter, source in task.at("inputs", "parameters").items():
        yield from _secret(parameter, source.at("runtimeValue", "constant"), source)


def _secret(name: str, value: Node, where: Node) -> Iterator[Hit]:
    if is_secret(name, value.text):
        yield Hit("config/secret-parameter", where, f"{name[:80]} (the value is not shown)", text=f"parameter {name}")
