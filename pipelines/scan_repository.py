# SPDX-License-Identifier: Apache-2.0
"""Fetch a repository's commit, scan its dependencies, code, secrets and configuration side by side, on one page.

Upload ``scan_repository.yaml`` in the Kubeflow UI. ``summarize`` shows the page; the last task fails unless every scan
looked at everything and let it pass. The history is not fetched: search it for secrets in a clone.
"""

from kfp import dsl

from wardein import kfp as wardein
from wardein.containers import image as image_of


@dsl.component(base_image=image_of("scan"), install_kfp_package=False)
def fetch(repository: str, commit: str, source: dsl.Output[dsl.Artifact]):
    """Fetch one commit of a repository, every file as it was committed, without its history.

    Args:
        repository: https://…, ssh://…, file://… or a path that the task can read; without user and password.
        commit: The commit's full hash.

    Returns:
        source: The folder with its files.
    """
    from pathlib import Path

    from wardein.tools.checkout import check_out

    check_out(repository, commit, Path(source.path))


@dsl.component(base_image=image_of("scan"), install_kfp_package=False)
def decide(verdict: str, passed: bool):
    """Fail unless every scan looked at everything and let it pass; the page is kept by the task before.

    Args:
        verdict: The verdict of all scans together.
        passed: Whether they passed.
    """
    print(f"{verdict}: the page of the task summarize tells why")
    if passed is not True:
        raise SystemExit(1)


def fresh(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Yesterday's answer is no answer: Kubeflow's cache knows names, not contents."""
    return task.set_caching_options(False)


@dsl.pipeline(name="scan-repository")
def pipeline(
    repository: str,
    commit: str,
    database: str,
    key: str,
    run_id: str,
    fail_severity: str = "high",
    accept_unexamined: list = [],  # noqa: B006 - read only
    checks: list = ["scan_dependencies", "scan_code", "scan_secrets", "scan_config"],  # noqa: B006 - read only
):
    """Fetch a repository's commit, scan its dependencies, code, secrets and configuration, and show one page.

    Args:
        repository: The repository: https://…, ssh://…, file://… or a path; without user and password.
        commit: The commit's full hash: a branch can be another commit tomorrow.
        database: URI of the folder with the vulnerability database.
        key: URI of the key that signs the evidence: a reference, never key material; empty for unsigned evidence.
        run_id: Any text that no other run has.
        fail_severity: The least severe finding that makes a scan fail: critical, high, medium or low.
        accept_unexamined: Dependencies that may go unexamined, and are listed: build, conda, foreign, url.
        checks: The scans that count. Leave one out if the repository has nothing for it to look at: that is an ERROR.
    """
    source = fresh(fetch(repository=repository, commit=commit)).outputs["source"]
    advisories = dsl.importer(artifact_uri=database, artifact_class=dsl.Artifact, reimport=True).output
    said = {"source": source, "fail_severity": fail_severity, "key": key, "run_id": run_id}
    scans = {
        "scan_dependencies": wardein.scan_dependencies(
            database=advisories, accept_unexamined=accept_unexamined, **said
        ),
        "scan_code": wardein.scan_code(**said),
        "scan_secrets": wardein.scan_secrets(**said),
        "scan_config": wardein.scan_config(**said),
    }
    evidence = {name: fresh(task).outputs["report"] for name, task in scans.items()}
    page = fresh(wardein.summarize(source=source, checks=checks, key=key, run_id=run_id, **evidence))
    fresh(decide(verdict=page.outputs["verdict"], passed=page.outputs["passed"]))
