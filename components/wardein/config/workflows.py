# SPDX-License-Identifier: Apache-2.0
"""Rules for GitHub's workflows and actions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wardein.config.hits import Hit, image_hits, is_secret, runs_download
from wardein.config.nodes import Node

_SHA = re.compile(r"[0-9a-f]{40}\Z")
# Secrets by which people give a workflow a key of a cloud that does not expire.
_SECRET_USED = re.compile(r"secrets(?:\.|\[\s*['\"])(\w{1,300})", re.IGNORECASE)
_LONG_LIVED = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY)|(GOOGLE|GCP|GCLOUD|GKE)\w*(CREDENTIALS?|KEY|JSON)"
    r"|AZURE\w*(CREDENTIALS?|CLIENT_SECRET|KEY)|ARM_CLIENT_SECRET|SA_KEY|SERVICE_ACCOUNT_KEY",
    re.IGNORECASE,
)
# What people outside the repository choose the text of.
_STRANGERS = re.compile(
    r"\bgithub\.(head_ref\b|event\.(issue|pull_request|discussion|comment|review|review_comment|pages|commits"
    r"|head_commit|workflow_run|inputs|label)\b.*?(\b(title|body|ref|label|name|email|message|page_name|head_branch"
    r"|description|default_branch|display_title)\b|inputs\.))",
    re.IGNORECASE | re.DOTALL,
)
_PULL_REQUEST_HEAD = re.compile(
    r"github\.(head_ref|event\.(pull_request\.(head\.(sha|ref|repo)|merge_commit_sha|number)|number|workflow_run\.head_))"
    r"|refs/pull/",
    re.IGNORECASE,
)
_MAX_EXPRESSION = 21_000
_PRIVILEGED_EVENTS = frozenset({"pull_request_target", "workflow_run", "issue_comment"})


def hits(workflow: Node) -> Iterator[Hit]:
    """What a workflow, or a composite action, breaks."""
    events = _events(workflow["on"])
    for _, job in workflow["jobs"].items():
        yield from _job(job, events)
    yield from _steps(workflow["runs"], frozenset())
    yield from _permissions(workflow)
    yield from _texts(workflow)


def _events(on: Node) -> frozenset[str]:
    return frozenset(on.texts()) if not on.is_map else frozenset(name for name, _ in on.items())


def _permissions(workflow: Node) -> Iterator[Hit]:
    jobs = dict(workflow["jobs"].items())
    for node in [workflow, *jobs.values()]:
        if node["permissions"].text == "write-all":
            yield Hit("config/workflow-write-all", node["permissions"])
    lacking = [name for name, job in jobs.items() if not job["permissions"].exists]
    if lacking and not workflow["permissions"].exists:
        yield Hit("config/workflow-permissions", workflow, ", ".join(lacking)[:160], text="permissions")


def _job(job: Node, events: frozenset[str]) -> Iterator[Hit]:
    container = job["container"]
    for node in [container, *(service for _, service in job["services"].items())]:
        image = node["image"] if node.is_map else node
        yield from image_hits(image, image.text)
    if "self-hosted" in job["runs-on"].texts() and events & {"pull_request", "pull_request_target"}:
        yield Hit("config/self-hosted-pull-request", job["runs-on"])
    if job["uses"].text:
        yield from _action(job["uses"])
    yield from _steps(job, events)


def _steps(job: Node, events: frozenset[str]) -> Iterator[Hit]:
    for step in job["steps"].each():
        uses, run = step["uses"], step["run"]
        if uses.text:
            yield from _action(uses)
        places = [step["with"][name].text for name in ("ref", "repository")] + [run.text]
        takes_code = uses.text.startswith("actions/checkout@") or re.search(
            r"\bgit\s+(fetch|checkout|pull)|gh pr", run.text
        )
        if events & _PRIVILEGED_EVENTS and takes_code and any(_PULL_REQUEST_HEAD.search(text) for text in places):
            yield Hit("config/pull-request-target", step)
        script = run if run.text else step.at("with", "script")
        if _uses_strangers_text(script.text):
            yield Hit("config/script-injection", script)
        if runs_download(run.text):
            yield Hit("config/curl-to-shell", run)


def _uses_strangers_text(script: str) -> bool:
    for part in script.split("${{")[1:]:
        expression = part.partition("}}")[0]
        # GitHub takes none so long; searching it would take time that grows with its square.
        if len(expression) > _MAX_EXPRESSION or _STRANGERS.search(expression):
            return True
    return False


def _action(uses: Node) -> Iterator[Hit]:
    name, _, version = uses.text.partition("@")
    if name.startswith("docker://"):
        yield from image_hits(uses, uses.text.removeprefix("docker://"))
    elif not name.startswith("./") and not _SHA.match(version):
        yield Hit("config/unpinned-action", uses, f"{name[:80]}@{version[:40]}")


def _texts(workflow: Node) -> Iterator[Hit]:
    for node in workflow.walk():
        if node.is_map:
            for name, value in node.items():
                if any(_LONG_LIVED.search(used[1]) for used in _SECRET_USED.finditer(value.text)):
                    yield Hit("config/long-lived-cloud-key", value, name[:80])
            for name, value in node["env"].items():
                if is_secret(name, value.text):
                    yield Hit(
                        "config/secret-in-env", value, f"{name[:80]} (the value is not shown)", text=f"env {name}"
                    )
