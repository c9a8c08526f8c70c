# SPDX-License-Identifier: Apache-2.0
"""The check ``scan_config``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from wardein.artifacts import Baseline, Source
from wardein.errors import UsageError
from wardein.report import Coverage, Report, Severity, Skipped, Tool, conclude

if TYPE_CHECKING:
    from wardein.config.kinds import ConfigFile, Recognised
    from wardein.scan.merge import Found
    from wardein.scan.tree import File

SCANNERS = ("wardein", "trivy", "checkov", "cfn-lint")


def scan_config(
    source: Source,
    scanners: list[str] = ["wardein", "trivy"],  # noqa: B006 - read only
    fail_severity: Literal["critical", "high", "medium", "low"] = "high",
    baseline: Baseline | None = None,
) -> Report:
    """Look for unsafe settings in Dockerfiles, Kubernetes and cloud templates, workflows and compiled pipelines.

    In scope, wherever it lies and whatever ignore files say: Dockerfiles; Kubernetes objects of every kind (Kubeflow,
    KServe, Argo, Istio and other custom ones included), also in lists and streams; Helm charts; kustomizations;
    Compose files; CloudFormation; Terraform; requests to SageMaker as JSON; GitHub workflows and actions; compiled
    KFP pipelines. A file that looks like one of them and cannot be read, or that a scanner passed over, is not
    examined and ends in ERROR. Other YAML and JSON is out of scope, and so are Ansible, Azure templates, GitLab and
    Jenkins.

    A file with documents of several kinds, a packed chart, and OpenTofu written as JSON are not examined. Of containers
    that are in no list of containers (Argo's sidecars, Tekton's steps, KServe's predictors) wardein's rules see what
    is privileged or uses the machine's network and folders, and nothing else; in charts they see none of these.

    Scanners do not read the files but copies of what was read here, without comments and settings that would tell them
    to look away; a file that holds such is told of. A Helm chart is rendered by trivy with the chart's own values; a
    template that renders to nothing was not examined. A chart's values.schema.json is left out. Terraform is examined
    by trivy and checkov, with rules of wardein's for SageMaker run by trivy, which see attributes and no nested blocks;
    modules from elsewhere are not fetched, and what uses them is not examined. Checkov gets the Kubernetes objects that
    hold pods, for which it has checks. What one namespace lacks (default-deny, a limit on what training may send) is
    judged by all manifests of the folder together.

    Args:
        source: The folder that holds the configuration, or one file.
        scanners: Which scanners look, all of which must: wardein (own rules), trivy, checkov, cfn-lint. A file that
            none of them knows ends in ERROR: Helm needs trivy, Terraform trivy or checkov, and workflows, pipelines,
            kustomizations and Compose files wardein.
        fail_severity: The least severe finding that makes the check fail.
        baseline: Earlier evidence of this check: what it found already stays listed and does not fail.

    Returns:
        Findings with file and line, how many there are of each severity, and how many of the files were examined.

    Raises:
        WardeinError: If a scanner is missing, of a version that is refused, or fails.

    References:
        NSA and CISA, Kubernetes Hardening Guide 1.2, 2022. CIS Docker Benchmark 1.6. Kubernetes Pod Security
        Standards. OpenSSF, Mitigating Attack Vectors in GitHub Workflows, 2022.
    """
    from wardein.config.kinds import recognise
    from wardein.scan.merge import counts, merged, without
    from wardein.scan.tree import files_of

    _check_scanners(scanners)
    files = files_of(source)
    recognised = recognise(files)
    found: list[Found] = list(_suppressions(files, recognised.files))
    skipped = list(recognised.skipped)
    tools: list[Tool] = []
    known: set[str] = set()
    for name, kinds, scan in _scanners(recognised, files):
        if name not in scanners:
            continue
        configs = [config for config in recognised.files if config.kind in kinds]
        known |= {config.path for config in configs}
        more, unread, tool = scan(configs)
        found += more
        skipped += unread
        tools += tool
    lacking = [config for config in recognised.files if config.path not in known]
    skipped += [Skipped(c.path, f"none of {', '.join(scanners)} knows {c.kind} files") for c in lacking]
    expected = len(recognised.files) + len(recognised.skipped)
    left_out = {entry.what for entry in skipped}
    findings = without(merged(found, Severity(fail_severity)), baseline, "scan_config")
    return conclude(
        coverage=Coverage("configuration files", expected, expected - len(left_out), tuple(skipped)),
        tools=tools,
        metrics=counts(findings, expected - len(left_out)),
        findings=findings,
    )


def _check_scanners(scanners: Sequence[str]) -> None:
    for name in scanners:
        if name not in SCANNERS:
            raise UsageError(f"{name!r} is none of {', '.join(SCANNERS)}", where="--scanners")
    if not scanners:
        raise UsageError("nobody is to look", where="--scanners", mend=f"name some of {', '.join(SCANNERS)}")


_Answer = tuple["list[Found]", list[Skipped], list[Tool]]


def _scanners(
    recognised: Recognised, files: Sequence[File]
) -> Iterator[tuple[str, Sequence[str], Callable[[Sequence[ConfigFile]], _Answer]]]:
    """Every scanner with the kinds of files that it knows, and how it is run on them."""
    from wardein.config import own
    from wardein.tools import cfn_lint, checkov, trivy_config

    def with_tool(answer: tuple[list[Found], list[Skipped], Tool]) -> _Answer:
        return answer[0], answer[1], [answer[2]]

    yield "wardein", own.KINDS, lambda configs: (own.scan(configs, files), [], [])
    yield "trivy", trivy_config.KINDS, lambda c: with_tool(trivy_config.scan(c, files, recognised.charts))
    yield "checkov", checkov.KINDS, lambda configs: with_tool(checkov.scan(configs))
    yield "cfn-lint", cfn_lint.KINDS, lambda configs: with_tool(cfn_lint.scan(configs))


def _suppressions(files: Sequence[File], configs: Sequence[ConfigFile]) -> Iterator[Found]:
    from wardein.config import own, suppressions

    for path in suppressions.settings(files):
        yield own.found(path, "config/suppression", "settings of a scanner", 0, 0, path)
    for config in configs:
        yield from own.told(config, suppressions.hits(config))
