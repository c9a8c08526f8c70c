# SPDX-License-Identifier: Apache-2.0
"""Rules for Compose files and kustomizations."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wardein.config.hits import Hit, image_hits, is_secret
from wardein.config.nodes import Node

_REMOTE = re.compile(r"^(https?|git|ssh)(::|://)|^git@|^(github|gitlab|bitbucket)\.(com|org)[/:]")
_PINNED = re.compile(r"[?&](ref|version)=[0-9a-f]{40}\b")


def hits(compose: Node) -> Iterator[Hit]:
    """What the services of a Compose file break."""
    for name, service in compose["services"].items():
        if not service["build"].exists:
            yield from image_hits(service["image"], service["image"].text)
        if service["privileged"].is_true:
            yield Hit("config/privileged", service["privileged"], name[:80], text=f"{name} privileged")
        for option in ("network_mode", "pid", "ipc"):
            if service[option].text == "host":
                yield Hit("config/host-namespace", service[option], option, text=f"{name} {option}")
        for volume in service["volumes"].each():
            source = volume["source"].text if volume.is_map else volume.text.partition(":")[0]
            # Folders beside the file are how Compose works on a laptop; the machine's own are another matter.
            if source == "/" or re.match(r"/(etc|var/run|run|proc|sys|root|home|dev|boot)(/|$)", source):
                yield Hit("config/host-path", volume, source[:80])
        yield from _environment(service["environment"])


def _environment(environment: Node) -> Iterator[Hit]:
    variables = [(name, node, node.text) for name, node in environment.items()]
    for entry in environment.each():
        name, _, value = entry.text.partition("=")
        variables.append((name, entry, value))
    for name, node, value in variables:
        if is_secret(name, value):
            yield Hit("config/secret-in-env", node, f"{name[:80]} (the value is not shown)", text=f"env {name}")


def kustomization_hits(node: Node) -> Iterator[Hit]:
    """What a kustomization breaks."""
    for name in ("resources", "bases", "components", "crds"):
        for entry in node[name].each():
            if _REMOTE.search(entry.text) and not _PINNED.search(entry.text):
                yield Hit("config/remote-base", entry)
    for image in node["images"].each():
        if not image["digest"].exists:
            told = f"{image['newName'].text or image['name'].text}:{image['newTag'].text}"
            yield from image_hits(image, told.rstrip(":"))
