# SPDX-License-Identifier: Apache-2.0
"""scan_config through the command line: what is wrong is found where it is, what is right passes, gaps are errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House, Ran
from tests.corpus.fail_open.case import program, stand_in, write

pytestmark = pytest.mark.scanners

DIGEST = "sha256:" + "ab" * 32
SHA = "0123456789abcdef0123456789abcdef01234567"
Scan = Callable[..., Ran]

CLEAN: dict[str, str] = {
    "deploy/ns.yaml": """\
apiVersion: v1
kind: Namespace
metadata:
  name: ml
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: ml}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
""",
    "deploy/train.yaml": f"""\
apiVersion: batch/v1
kind: Job
metadata:
  name: train
  namespace: ml
spec:
  template:
    metadata:
      labels: {{app: train}}
    spec:
      automountServiceAccountToken: false
      serviceAccountName: train
      restartPolicy: Never
      securityContext:
        runAsNonRoot: true
        runAsUser: 20000
        runAsGroup: 20000
        seccompProfile: {{type: RuntimeDefault}}
      containers:
      - name: train
        image: registry.example.org/train:1.0@{DIGEST}
        resources:
          requests: {{cpu: "1", memory: 1Gi}}
          limits: {{cpu: "1", memory: 1Gi}}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          runAsNonRoot: true
          capabilities: {{drop: [ALL]}}
""",
    "Dockerfile": f"""\
FROM python:3.12@{DIGEST}
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
HEALTHCHECK CMD ["true"]
USER 20000
""",
    ".github/workflows/ci.yml": f"""\
on: [push]
permissions:
  contents: read
  id-token: write
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
    - uses: actions/checkout@{SHA}  # v4
    - uses: aws-actions/configure-aws-credentials@{SHA}
      with:
        role-to-assume: arn:aws:iam::123456789012:role/ci
    - run: make test
""",
}


@pytest.fixture
def scan(wardein: Callable[..., Ran], tmp_path: Path) -> Scan:
    """Write files and scan their folder."""

    def run(files: Mapping[str, str | bytes], *options: object) -> Ran:
        write(tmp_path / "source", files)
        return wardein("scan-config", "--source", tmp_path / "source", *options, "--json")

    return run


@pytest.fixture
def own(scan: Scan) -> Scan:
    """The same, with wardein's own rules alone."""
    return lambda files, *options: scan(files, "--scanners", "wardein", *options)


def rules(ran: Ran) -> set[str]:
    return {f["ruleId"] for f in ran.report["findings"]}


def places(ran: Ran, rule: str) -> list[tuple[str, int]]:
    return sorted((f["location"], f.get("line", 0)) for f in ran.report["findings"] if f["ruleId"] == rule)


def skipped(ran: Ran) -> dict[str, str]:
    return {s["what"]: s["reason"] for s in ran.report["coverage"].get("skipped", ())}


def pod(container: str = "{name: c, image: x}", more: str = "") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ml}}\nspec:\n  containers:\n"
        f"  - {container}\n{more}"
    )


# The clean case


def test_clean_tree_passes(scan: Scan) -> None:
    ran = scan(CLEAN)
    assert (ran.code, ran.report["verdict"]) == (0, "PASS"), ran.report["findings"]
    assert ran.report["coverage"] == {
        "unit": "configuration files",
        "expected": 4,
        "examined": 4,
        "skipped": [],
        "complete": True,
    }
    assert {f["severity"] for f in ran.report["findings"]} <= {"info", "low"}
    assert [tool["name"] for tool in ran.report["tools"]] == ["trivy"]


def test_no_path_of_this_machine_and_the_same_twice(scan: Scan, tmp_path: Path) -> None:
    files = CLEAN | {"a.yaml": pod()}
    first, second = scan(files), scan(files)
    assert str(tmp_path) not in first.out
    assert "/tmp" not in json.dumps(first.report["findings"])
    for part in ("findings", "metrics", "coverage"):
        assert first.report[part] == second.report[part]


# What must be found, each planted into the clean tree

PLANTED: list[tuple[str, str, str, tuple[str, int]]] = [
    ("privileged", "config/privileged", pod("{name: c, image: x, securityContext: {privileged: true}}"), ("x.yaml", 6)),
    ("hostNetwork", "config/host-namespace", pod(more="  hostNetwork: true\n"), ("x.yaml", 5)),
    ("hostPath", "config/host-path", pod(more="  volumes:\n  - {name: d, hostPath: {path: /data}}\n"), ("x.yaml", 8)),
    ("no digest", "config/image-without-digest", pod("{name: c, image: 'x:1'}"), ("x.yaml", 6)),
    ("latest", "config/image-latest", pod("{name: c, image: 'h:5000/x:latest'}"), ("x.yaml", 6)),
    ("limits", "config/no-limits", pod(), ("x.yaml", 6)),
    ("token", "config/token-mounted", pod(), ("x.yaml", 5)),
    ("account", "config/default-service-account", pod(), ("x.yaml", 5)),
    ("root", "config/run-as-non-root", pod(), ("x.yaml", 6)),
    ("escalation", "config/privilege-escalation", pod(), ("x.yaml", 6)),
    ("capabilities", "config/capabilities-kept", pod(), ("x.yaml", 6)),
    (
        "capability",
        "config/capabilities-added",
        pod("{name: c, image: x, securityContext: {capabilities: {add: [SYS_ADMIN]}}}"),
        ("x.yaml", 6),
    ),
    (
        "env",
        "config/secret-in-env",
        pod("name: c\n    image: x\n    env:\n    - name: HF_TOKEN\n      value: abcdefgh"),
        ("x.yaml", 9),
    ),
    (
        "PSA",
        "config/pod-security-privileged",
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n"
        "  labels: {pod-security.kubernetes.io/enforce: privileged}\n",
        ("x.yaml", 1),
    ),
    ("no PSA", "config/pod-security-unset", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", ("x.yaml", 1)),
    (
        "allow-all",
        "config/network-policy-allow-all",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n"
        "  podSelector: {}\n  egress: [{}]\n",
        ("x.yaml", 5),
    ),
    ("default-deny", "config/no-default-deny", pod().replace("ml", "other"), ("x.yaml", 1)),
    (
        "egress",
        "config/training-egress",
        pod().replace("v1\nkind: Pod", "kubeflow.org/v1\nkind: PyTorchJob").replace("ml", "other"),
        ("x.yaml", 1),
    ),
    (
        "mTLS",
        "config/mtls-not-strict",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: d}\nspec:\n"
        "  mtls:\n    mode: PERMISSIVE\n",
        ("x.yaml", 5),
    ),
    (
        "mTLS port",
        "config/mtls-port-exception",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: d}\nspec:\n"
        "  mtls: {mode: STRICT}\n"
        "  portLevelMtls:\n    8080:\n      mode: DISABLE\n",
        ("x.yaml", 8),
    ),
    (
        "everybody",
        "config/authorization-allow-all",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: d}\nspec:\n  rules:\n  - {}\n",
        ("x.yaml", 6),
    ),
    (
        "RBAC",
        "config/rbac-wildcard",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules:\n"
        "- apiGroups: ['']\n  resources: ['*']\n  verbs: [get]\n",
        ("x.yaml", 5),
    ),
    (
        "cluster-admin",
        "config/cluster-admin",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: r}\n"
        "roleRef:\n  kind: ClusterRole\n  name: cluster-admin\n",
        ("x.yaml", 5),
    ),
]


@pytest.mark.parametrize(("rule", "text", "place"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_planted_in_kubernetes(own: Scan, rule: str, text: str, place: tuple[str, int]) -> None:
    ran = own(CLEAN | {"x.yaml": text})
    assert place in places(ran, rule), ran.report["findings"]
    assert ran.report["coverage"]["complete"]


def dockerfile(*lines: str) -> dict[str, str]:
    return {"Dockerfile": "\n".join([f"FROM x:1@{DIGEST}", *lines, "USER 1000", ""])}


def workflow(text: str) -> dict[str, str]:
    return {".github/workflows/w.yml": text}


STEPS = "on: {event}\npermissions: {{}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n    - {step}\n"

PLANTED_ELSEWHERE: list[tuple[str, dict[str, str], int]] = [
    ("config/root-user", {"Dockerfile": f"FROM x:1@{DIGEST}\nUSER 1000\nUSER root\n"}, 3),
    ("config/root-user", {"Containerfile": f"FROM x:1@{DIGEST}\n"}, 1),
    ("config/image-without-digest", {"d/Dockerfile.gpu": "ARG T=1\nFROM x:$T\nUSER 1\n"}, 2),
    ("config/image-latest", {"gpu.dockerfile": "FROM x\nUSER 1\n"}, 1),
    ("config/add-url", dockerfile("ADD https://example.org/w.bin /w"), 2),
    ("config/unpinned-install", dockerfile("RUN true && \\", "  pip install torch"), 2),
    ("config/unpinned-install", dockerfile("RUN pip install -r requirements.txt"), 2),
    ("config/extra-index-url", dockerfile("RUN pip install torch==2.0 --extra-index-url https://example.org/w"), 2),
    ("config/curl-to-shell", dockerfile("RUN curl -sSf https://example.org/i.sh | sudo bash"), 2),
    ("config/copy-all", dockerfile("COPY . ."), 2),
    ("config/secret-in-env", dockerfile("ARG HF_TOKEN=abcdefgh"), 2),
    (
        "config/long-lived-cloud-key",
        workflow(STEPS.format(event="push", step="{env: {A: '${{ secrets.AWS_SECRET_ACCESS_KEY }}'}, run: x}")),
        7,
    ),
    (
        "config/long-lived-cloud-key",
        workflow(
            STEPS.format(
                event="push", step=f"{{uses: a/b@{SHA}, with: {{credentials_json: '${{{{ secrets.GCP_SA_KEY }}}}'}}}}"
            )
        ),
        7,
    ),
    ("config/unpinned-action", workflow(STEPS.format(event="push", step="uses: a/b@v1")), 7),
    (
        "config/workflow-permissions",
        workflow(STEPS.format(event="push", step="run: x").replace("permissions: {}\n", "")),
        1,
    ),
    ("config/workflow-write-all", workflow(STEPS.format(event="push", step="run: x").replace("{}", "write-all")), 2),
    (
        "config/pull-request-target",
        workflow(
            STEPS.format(
                event="pull_request_target",
                step=f"{{uses: actions/checkout@{SHA}, with: {{ref: '${{{{ github.head_ref }}}}'}}}}",
            )
        ),
        7,
    ),
    (
        "config/script-injection",
        workflow(STEPS.format(event="issues", step='run: echo "${{ github.event.issue.title }}"')),
        7,
    ),
    (
        "config/self-hosted-pull-request",
        workflow(STEPS.format(event="pull_request", step="run: x").replace("ubuntu-latest", "[self-hosted, gpu]")),
        5,
    ),
    ("config/curl-to-shell", workflow(STEPS.format(event="push", step="run: curl https://example.org/x | sh")), 7),
    ("config/image-latest", workflow(STEPS.format(event="push", step="run: x") + "    container: python\n"), 8),
    ("config/privileged", {"docker-compose.yml": "services:\n  a:\n    privileged: true\n"}, 3),
    ("config/host-path", {"compose.yaml": "services:\n  a:\n    volumes:\n    - /var/run/docker.sock:/x\n"}, 4),
    ("config/secret-in-env", {"compose.yaml": "services:\n  a:\n    environment:\n    - DB_PASSWORD=hunter2\n"}, 4),
    ("config/remote-base", {"kustomization.yaml": "resources:\n- github.com/a/b?ref=main\n"}, 2),
    ("config/image-without-digest", {"kustomization.yaml": "images:\n- name: a\n  newTag: v1\n"}, 2),
]


@pytest.mark.parametrize(("rule", "files", "line"), PLANTED_ELSEWHERE, ids=lambda x: x if isinstance(x, str) else None)
def test_planted_elsewhere(own: Scan, rule: str, files: dict[str, str], line: int) -> None:
    ran = own(files)
    assert (next(iter(files)), line) in places(ran, rule), ran.report["findings"]
    assert ran.report["coverage"]["complete"]


PIPELINE = """\
# PIPELINE DEFINITION
pipelineInfo: {name: release}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
components:
  comp-scan-model: {executorLabel: exec-scan-model}
deploymentSpec:
  executors:
    exec-scan-model:
      container:
        image: wardein:1
        env:
        - name: MLFLOW_TOKEN
          value: abcdefgh
root:
  inputDefinitions:
    parameters:
      api_key:
        defaultValue: sk12345
        parameterType: STRING
  dag:
    tasks:
      scan-model:
        cachingOptions:
          enableCache: true
        componentRef: {name: comp-scan-model}
        retryPolicy:
          maxRetryCount: 3
        taskInfo: {name: scan-model}
---
platforms: {kubernetes: {deploymentSpec: {executors: {}}}}
"""


def test_compiled_pipeline(own: Scan) -> None:
    ran = own({"pipeline.yaml": PIPELINE})
    lines = {f["ruleId"]: f["line"] for f in ran.report["findings"]}
    assert lines == {
        "config/gate-cached": 25,
        "config/secret-parameter": 19,
        "config/secret-in-env": 13,
        "config/image-without-digest": 11,
        "config/no-limits": 11,
        "config/gate-retried": 28,
    }
    assert ran.code == 1
    assert "sk12345" not in ran.out + ran.err
    assert "abcdefgh" not in ran.out + ran.err


def test_compiled_pipeline_that_is_in_order(own: Scan) -> None:
    good = PIPELINE.replace("{name: release}", "{name: release}").replace("enableCache: true", "enableCache: false")
    good = good.replace("wardein:1", f"wardein:1@{DIGEST}\n        resources: {{cpuLimit: 1, memoryLimit: 1}}")
    good = good.replace("api_key", "label").replace("MLFLOW_TOKEN", "PAD_TOKEN")
    good = good.replace("        retryPolicy:\n          maxRetryCount: 3\n", "")
    assert own({"p.yaml": good}).report["findings"] == []


TEMPLATE = """\
Resources:
  Endpoint:
    Type: AWS::SageMaker::EndpointConfig
    Properties:
      ProductionVariants: [{ModelName: !GetAtt Model.ModelName, VariantName: a}]
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: !Sub "arn:aws:iam::${AWS::AccountId}:role/x"
  Notebook:
    Type: AWS::SageMaker::NotebookInstance
    Properties: {InstanceType: ml.t3.medium, RoleArn: !Ref Role}
"""


def test_sagemaker_in_cloudformation(own: Scan) -> None:
    ran = own({"t.yaml": TEMPLATE})
    assert {(f["ruleId"].removeprefix("config/sagemaker-"), f["line"]) for f in ran.report["findings"]} == {
        ("kms", 3),
        ("vpc", 7),
        ("isolation", 7),
        ("kms", 11),
        ("vpc", 11),
        ("internet", 11),
        ("root", 11),
    }


def test_sagemaker_requests(own: Scan) -> None:
    job = {"TrainingJobName": "a", "AlgorithmSpecification": {"TrainingImage": "x"}, "ResourceConfig": {}}
    ran = own({"job.json": json.dumps(job, indent=1)})
    assert {r.removeprefix("config/sagemaker-") for r in rules(ran)} == {"kms", "vpc", "isolation", "traffic"}
    job |= {"VpcConfig": {"Subnets": []}, "EnableNetworkIsolation": True, "ResourceConfig": {"VolumeKmsKeyId": "k"}}
    good = json.dumps(job | {"EnableInterContainerTrafficEncryption": True})
    assert own({"job.json": good}).report["findings"] == []


# Secrets stay inside


def test_values_of_secrets_are_in_no_output(scan: Scan, tmp_path: Path) -> None:
    files = {
        "x.yaml": pod("{name: c, image: x, env: [{name: DB_PASSWORD, value: hunter2-secret}]}"),
        "bad.yaml": "apiVersion: v1\nkind: Secret\nstringData: {password: hunter2-secret, a: [}\n",
        "main.tf": 'resource "x" "y" {\n  password = hunter2-secret "\n',
        "Dockerfile": "FROM x\nENV API_KEY=hunter2-secret\nhunter2-secret x\n",
        "ok/Dockerfile": "FROM x\nENV API_KEY=hunter2-secret\n",
    }
    evidence, page = tmp_path / "e.json", tmp_path / "p.html"
    ran = scan(files, "--evidence", evidence, "--html", page)
    assert ran.code == 2
    assert {"x.yaml", "ok/Dockerfile"} == {p for p, _ in places(ran, "config/secret-in-env")}
    for text in (ran.out, ran.err, evidence.read_text(), page.read_text()):
        assert "hunter2" not in text


# One bug that two scanners find counts once


def test_one_bug_counts_once(scan: Scan) -> None:
    files = {
        "x.yaml": pod("{name: c, image: 'x:latest', securityContext: {privileged: true}}"),
        "Dockerfile": "FROM x\n",
    }
    ran = scan(files)
    (privileged,) = [f for f in ran.report["findings"] if "rivileged" in f["ruleId"] + f["message"]]
    assert privileged["taxonomy"] == ["trivy:KSV-0017"]
    for rule in ("config/image-latest", "config/no-limits", "config/root-user", "config/capabilities-kept"):
        found = places(ran, rule)
        assert len(found) == len(set(found)) == (2 if rule == "config/image-latest" else 1), found
    assert not rules(ran) & {"trivy/KSV-0017", "trivy/DS-0002", "trivy/KSV-0013"}


def test_fingerprints_survive_moved_lines_and_baselines_count(
    scan: Scan, wardein: Callable[..., Ran], tmp_path: Path, house: House
) -> None:
    evidence = tmp_path / "before.json"
    files = {"x.yaml": pod("{name: c, image: x, securityContext: {privileged: true}}")}
    before = scan(files, "--evidence", evidence)
    after = scan({"x.yaml": "# a\n# comment\n" + files["x.yaml"]})
    prints = [{(f["ruleId"], f["fingerprint"]) for f in ran.report["findings"]} for ran in (before, after)]
    assert prints[0] == prints[1]
    assert scan(files, "--baseline", evidence).code == 0
    ran = scan({"y.yaml": files["x.yaml"]}, "--baseline", evidence)
    assert ran.code == 1
    assert {f["location"] for f in ran.report["findings"] if not f.get("suppressed") and f["severity"] == "high"} == {
        "y.yaml"
    }


# What namespaces lack


def test_default_deny_is_judged_over_all_files(own: Scan) -> None:
    files = dict(CLEAN)
    policy = files["deploy/ns.yaml"].split("---\n")[1]
    files["deploy/ns.yaml"] = files["deploy/ns.yaml"].split("---\n")[0]
    ran = own(files)
    assert places(ran, "config/no-default-deny") == [("deploy/ns.yaml", 1)]
    assert places(ran, "config/training-egress") == [("deploy/train.yaml", 1)]
    ran = own(
        files | {"elsewhere/p.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": []}), "p.yaml": policy}
    )
    assert not rules(ran) & {"config/no-default-deny", "config/training-egress"}
    ran = own(files | {"p.yaml": policy.replace("[Ingress, Egress]", "[Ingress]")})
    (finding,) = [f for f in ran.report["findings"] if f["ruleId"] == "config/no-default-deny"]
    assert "egress" in finding["message"]
    assert "ingress" not in finding["message"]
    ran = own(files | {"p.yaml": policy.replace("podSelector: {}", "podSelector: {matchLabels: {app: train}}")})
    assert "config/training-egress" not in rules(ran)
    assert "config/no-default-deny" in rules(ran)
    ran = own(files | {"p.yaml": policy + "  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]\n"})
    assert places(ran, "config/training-egress") == [("deploy/train.yaml", 1)]


# What could not be read is an error, and what is something else is nobody's business

UNREADABLE: list[tuple[str, str | bytes, str]] = [
    ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n", "not valid YAML"),
    ("a.json", '{"apiVersion": "v1", "kind": "Pod",', "not valid JSON"),
    ("a.json", '{"apiVersion": "v1", "kind": "Pod", "kind": "Secret"}', "duplicate key"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\nkind: Secret\n", "'kind' twice"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\nspec: &a [*a]\n", "anchor"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\n---\nfoo: [\n", "not valid YAML"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\n---\nfoo: bar\n", "no Kubernetes object"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\n? [a]\n: b\n", "key that is no text"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\nx: " + "[" * 150 + "]" * 150, "deeper"),
    (
        "a.yaml",
        "apiVersion: v1\nkind: P\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{n}: &{n} [{','.join('*' + p for _ in range(10))}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "counting aliases",
    ),
    ("a.yaml", b"apiVersion: v1\nkind: Pod\nx: \xff\n", "not UTF-8"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\n".encode("utf-16"), "not UTF-8"),
    ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {{ .Values.x }}\n", "key that is no text"),
    ("a.template", "Resources:\n  A:\n    Type: AWS::S3::Bucket\n  B: [\n", "not valid YAML"),
    (".github/workflows/w.yml", "jobs: [\n", "not valid YAML"),
    (".github/workflows/w.yml", "name: x\n", "no workflow"),
    ("Dockerfile", "FROM x\nFETCH y\n", "no instruction"),
    ("Dockerfile", "RUN x\n", "FROM"),
    ("Dockerfile", "FROM x\nRUN cat <<EOF\nUSER 1\n", "heredoc"),
    ("Dockerfile", "", "FROM"),
    ("Dockerfile", b"FROM x\n\xff\n", "not UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "reason"), UNREADABLE, ids=[u[2] for u in UNREADABLE])
def test_what_cannot_be_read_is_an_error(own: Scan, name: str, content: str | bytes, reason: str) -> None:
    ran = own({"ok.yaml": pod("{name: c, image: x, securityContext: {privileged: true}}"), name: content})
    assert (ran.code, ran.report["verdict"]) == (2, "ERROR")
    assert reason in skipped(ran)[name]
    assert ran.report["coverage"]["examined"] == 1
    assert "config/privileged" in rules(ran)  # what was found stays beside it
    assert name in ran.one_line


def test_other_data_is_out_of_scope(own: Scan) -> None:
    data = {
        "data.yaml": "a: 1\nb: [\n",
        "params.json": '{"a": 1}',
        "nested.json": '{"examples": [{"text": "apiVersion"}]}',
        "Dockerfile.md": "# Dockerfiles\n",
        "dockerfile.py": "import re\n",
        "notes.txt": "FROM x\nRUN y\n",
    }
    assert own(CLEAN | data).report["coverage"]["expected"] == 4
    ran = own({f"only/{name}": text for name, text in data.items()} | {"x": "y"})
    assert ran.report["coverage"]["expected"] == 4


def test_nothing_in_scope_is_an_error(own: Scan) -> None:
    ran = own({"README.md": "hello"})
    assert ran.code == 2
    assert "no configuration files to examine" in ran.one_line


HIDDEN = [
    ("a.json", '{"api\\u0056ersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}'),
    ("a.yaml", '"api\\x56ersion": v1\nkind: Namespace\n'),
    ("a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"),
    ("a.yaml", "x: &x {apiVersion: v1}\n<<: *x\nkind: Namespace\n"),
    ("tests/fixtures/.hidden/a.yml", "kind: Namespace\napiVersion: v1\n"),
    ("node_modules/x/a.yaml", "kind: Namespace\napiVersion: v1\n"),
    ("a.yaml", "\ufeffkind: Namespace\napiVersion: v1\n"),
]


@pytest.mark.parametrize(("name", "text"), HIDDEN)
def test_objects_are_seen_wherever_and_however_they_are_written(own: Scan, name: str, text: str) -> None:
    ran = own({name: text})
    assert ran.report["coverage"]["complete"]
    assert [p for p, _ in places(ran, "config/pod-security-unset")] == [name]


def test_dockerfile_of_another_name_is_known_by_its_beginning(own: Scan) -> None:
    ran = own({"images/train.py": "FROM python:3\nRUN pip install torch\n"})
    assert ("images/train.py", 1) in places(ran, "config/root-user")


# Nothing in the folder switches anything off


def test_suppressions_are_told_and_not_obeyed(scan: Scan) -> None:
    files = {
        "Dockerfile": "#trivy:ignore:*\n# checkov:skip=CKV_DOCKER_8:x\nFROM x\nUSER root\n",
        "x.yaml": pod("{name: c, image: x, securityContext: {privileged: true}}").replace(
            "namespace: ml", "annotations: {checkov.io/skip1: CKV_K8S_16=x}"
        ),
        ".trivyignore": "DS-0002\n",
        "trivy.yaml": "scan: {skip-files: ['**']}\n",
        "sub/.checkov.yaml": "skip-check: [CKV_K8S_16]\n",
        ".cfnlintrc": "ignore_checks: [E]\n",
    }
    ran = scan(files)
    assert ran.code == 1
    assert {"config/root-user", "config/privileged"} <= rules(ran)
    assert {"trivy:DS-0002"} <= {t for f in ran.report["findings"] for t in f.get("taxonomy", ())}
    assert places(ran, "config/suppression") == [
        (".cfnlintrc", 0),
        (".trivyignore", 0),
        ("Dockerfile", 1),
        ("Dockerfile", 2),
        ("sub/.checkov.yaml", 0),
        ("trivy.yaml", 0),
        ("x.yaml", 3),
    ]


# Which scanners run is said, and every one that was asked for must answer


@pytest.mark.parametrize("name", ["virus", "Trivy"])
def test_scanner_that_nobody_knows(scan: Scan, name: str) -> None:
    assert f"{name!r} is none of" in scan(CLEAN, "--scanners", name).one_line
    assert "nobody is to look" in scan(CLEAN, "--scanners", "[]").one_line


@pytest.mark.parametrize("name", ["trivy", "checkov", "cfn-lint"])
def test_scanner_that_is_not_there(scan: Scan, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"WARDEIN_{name.upper().replace('-', '_')}", "/nowhere/at/all")
    ran = scan(CLEAN | {"t.yaml": TEMPLATE}, "--scanners", json.dumps(["wardein", name]))
    assert ran.code == 2
    assert "is not the absolute path of a program" in ran.one_line


def test_files_that_no_scanner_knows_are_not_examined(scan: Scan) -> None:
    ran = scan({"main.tf": 'variable "x" {}\n'} | CLEAN, "--scanners", "wardein")
    assert ran.code == 2
    assert skipped(ran) == {"main.tf": "none of wardein knows terraform files"}


# Terraform and charts, which trivy reads

TERRAFORM = """\
resource "aws_sagemaker_notebook_instance" "n" {
  name     = "x"
  role_arn = "y"
}
resource "aws_sagemaker_model" "m" {
  name                     = "x"
  enable_network_isolation = true
  vpc_config {
    subnets            = ["s"]
    security_group_ids = ["g"]
  }
}
"""


def test_terraform(scan: Scan) -> None:
    ran = scan(
        {"infra/tests/main.tf": TERRAFORM, "infra/empty.tf": "# nothing\n", "infra/locals.tf": "locals { a = 1 }\n"}
    )
    assert ran.report["coverage"]["complete"], skipped(ran)
    assert places(ran, "config/sagemaker-internet") == [("infra/tests/main.tf", 1)]
    assert places(ran, "config/sagemaker-vpc") == [("infra/tests/main.tf", 1)]
    assert places(ran, "config/sagemaker-isolation") == []


def test_terraform_fetches_nothing(scan: Scan) -> None:
    ran = scan({"main.tf": 'module "m" {\n  source = "git::https://example.invalid/m.git"\n}\n'})
    assert ran.code == 2
    assert "uses a module that is not in the folder" in skipped(ran)["main.tf"]


def test_terraform_calls_nobody(scan: Scan) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        host = f"127.0.0.1:{server.getsockname()[1]}/m.git"
        url = f"git::http://{host}"
        nested = json.dumps({"module": {"k": {"source": f"git::ssh://git@{host}"}}})
        ran = scan({"main.tf": f'module "m" {{\n  source = "{url}"\n}}\n', "n/m.tf.json": nested})
        with pytest.raises(TimeoutError):
            server.accept()
    assert set(skipped(ran)) == {"main.tf", "n/m.tf.json"}


def test_object_that_gets_no_answer_was_not_read(scan: Scan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = {"SchemaVersion": 2, "Results": [{"Target": "000000/000000.yaml", "Misconfigurations": []}]}
    body = "if args[0] == 'version':\n    print('{\"Version\": \"0.76.0\"}')\nelse:\n"
    body += f"    open(args[args.index('--output') + 1], 'w').write({json.dumps(json.dumps(report))})"
    monkeypatch.setenv("WARDEIN_TRIVY", str(stand_in(tmp_path / "bin", "trivy", body)))
    ran = scan({"a.yaml": pod()})
    assert ran.code == 2
    assert "did not read all of it" in skipped(ran)["a.yaml"]


CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "chart/values.yaml": "privileged: true\non: false\n",
    "chart/templates/pod.yaml": pod("{name: c, image: x, securityContext: {privileged: {{ .Values.privileged }}}}"),
}


def test_chart_is_rendered_with_its_own_values(scan: Scan) -> None:
    ran = scan(CHART)
    assert ran.report["coverage"] | {"skipped": []} == {
        "unit": "configuration files",
        "expected": 1,
        "examined": 1,
        "skipped": [],
        "complete": True,
    }
    assert places(ran, "config/privileged") == [("chart/templates/pod.yaml", 7)]  # of what was rendered
    assert places(ran, "config/token-mounted") == [("chart/templates/pod.yaml", 5)]  # by Rego, of wardein's own
    assert places(ran, "config/helm-values") == [("chart/Chart.yaml", 0)]


@pytest.mark.parametrize(
    "text", ["{{ if .Values.on }}\n" + pod() + "{{ end }}\n", "{{ .Values.x | nofunction }}\n", "a: {{ .Values\n"]
)
def test_template_that_does_not_render_is_not_examined(scan: Scan, text: str) -> None:
    ran = scan(CHART | {"chart/templates/off.yaml": text, "chart/.helmignore": "templates/\n"})
    assert ran.code == 2
    assert "helm template" in skipped(ran)["chart/templates/off.yaml"]


# All of them together, and a process of its own


def test_every_scanner(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("checkov", "cfn-lint"):
        monkeypatch.setenv(f"WARDEIN_{name.upper().replace('-', '_')}", str(program(name)))
    bucket = "  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: {BucketNme: x}\n"
    hidden = "Metadata: {cfn-lint: {config: {ignore_checks: [E3002]}}}\n"
    files = CLEAN | {"t.yaml": hidden + TEMPLATE + bucket, "x.yaml": pod()}
    ran = scan(files, "--scanners", '["wardein", "trivy", "checkov", "cfn-lint"]')
    assert ran.report["coverage"]["complete"], skipped(ran)
    assert [tool["name"] for tool in ran.report["tools"]] == ["trivy", "checkov", "cfn-lint"]
    (limits,) = [f for f in ran.report["findings"] if f["ruleId"] == "config/no-limits"]
    assert limits["taxonomy"] == ["checkov:CKV_K8S_11", "trivy:KSV-0011"]
    assert ("t.yaml", 16) in places(ran, "cfn-lint/E3002"), ran.report["findings"]
    assert ("t.yaml", 1) in places(ran, "config/suppression")
    assert ran.code == 1


def test_command_in_its_own_process(tmp_path: Path) -> None:
    source = write(
        tmp_path / "source", CLEAN | {"x.yaml": pod("{name: c, image: x, securityContext: {privileged: true}}")}
    )
    command = [sys.executable, "-m", "wardein", "scan-config", "--source", str(source), "--json"]
    environment = os.environ | {"TRIVY_SEVERITY": "UNKNOWN", "TRIVY_SKIP_FILES": "**/*", "TRIVY_EXIT_CODE": "0"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 1, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    assert ["trivy:KSV-0017"] in [f.get("taxonomy") for f in report["findings"]]


PRIVILEGED = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  hostNetwork: true
  containers:
  - name: a
    image: registry.example.org/a@{DIGEST}
    securityContext: {{privileged: true}}
"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ok}\ndata: {a: b}\n"
SMALL_CHART = {
    "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
    "c/values.yaml": "a: b\n",
    "c/templates/ok.yaml": OBJECT,
}


def test_a_schema_of_a_chart_takes_helm_nowhere(scan: Scan, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    codes = set()
    for kind in ("string", "integer"):
        outside.write_text(json.dumps({"type": kind}))
        schema = json.dumps({"properties": {"a": {"$ref": f"file://{outside}"}}})
        codes.add(scan(SMALL_CHART | {"c/values.schema.json": schema}, "--scanners", '["trivy"]').code)
    assert codes == {0}


@pytest.mark.parametrize("name", ["c/templates/sub/values.schema.json", "c/charts/sub.tgz"])
def test_what_would_take_helm_elsewhere_is_not_examined(scan: Scan, name: str) -> None:
    ran = scan(SMALL_CHART | {name: "{}"}, "--scanners", '["trivy"]')
    assert ran.code == 2
    assert list(skipped(ran)) == [name]


def test_templates_count_whatever_they_are_called(scan: Scan) -> None:
    names = ("c/templates/evil.tpl", "c/templates/evil.txt", "c/templates/evil")
    ran = scan(SMALL_CHART | dict.fromkeys(names, PRIVILEGED) | {"c/templates/_x.tpl": "", "c/templates/NOTES.txt": ""})
    assert ran.code == 2  # trivy renders only some of them, and what it does not is told
    assert places(ran, "config/privileged")
    assert {path for path, _ in places(ran, "config/privileged")} | set(skipped(ran)) == set(names)


KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
SMALL_PIPELINE = "pipelineInfo: {name: x}\ndeploymentSpec: {executors: {}}\n"


@pytest.mark.parametrize("other", [KUSTOMIZATION, SMALL_PIPELINE])
def test_documents_of_several_kinds_are_not_examined(scan: Scan, other: str) -> None:
    for text in (f"{PRIVILEGED}---\n{other}", f"{other}---\n{PRIVILEGED}"):
        ran = scan({"p.yaml": text}, "--scanners", '["wardein"]')
        assert ran.code == 2
        assert "several kinds" in skipped(ran)["p.yaml"]


def test_a_pod_is_a_pod_whatever_its_file_is_called(scan: Scan) -> None:
    ran = scan({"kustomization.yaml": PRIVILEGED}, "--scanners", '["wardein"]')
    assert ran.code == 1
    assert places(ran, "config/privileged")


@pytest.mark.parametrize(
    "spec",
    [
        "templates: [{name: a, container: {image: x}, sidecars: [{name: s, image: e, securityContext: {P}}]}]",
        "steps: [{name: s, image: e, securityContext: {P}}]",
        "predictor: {model: {image: e, securityContext: {P}}}",
    ],
)
def test_ways_out_count_wherever_containers_are(scan: Scan, spec: str) -> None:
    text = "apiVersion: example.org/v1\nkind: Task\nmetadata: {name: w}\nspec:\n  hostNetwork: true\n"
    text += "  volumes: [{name: h, hostPath: {path: /}}]\n  " + spec.replace("P}", "privileged: true}") + "\n"
    ran = scan({"w.yaml": text}, "--scanners", '["wardein"]')
    assert ran.code == 1
    for rule in ("config/privileged", "config/host-namespace", "config/host-path"):
        assert len(places(ran, rule)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "{kind: Pod, apiVersion: v1, spec: {hostNetwork: true, hostNetwork: false}}\n"),
        ("p.json", '{"kind":"Pod","kind":"Pod","apiVersion":"v1"}'),
        ("p.json", "# x\n{kind: Pod, apiVersion: v1}"),
        ("b.yaml", "apiVersion: v1\nkind: X\nmetadata: {name: !!binary Y2x1c3Rlci1hZG1pbg==}\n"),
        ("a.tofu.json", "{}"),
    ],
)
def test_what_is_meant_as_a_manifest_is_not_passed_over(scan: Scan, name: str, text: str) -> None:
    ran = scan({"ok.yaml": OBJECT, name: text}, "--scanners", '["wardein"]')
    assert ran.code == 2
    assert list(skipped(ran)) == [name]


def test_long_lines_take_no_time() -> None:
    from wardein.config import hits, workflows

    assert not hits.runs_download("curl " * 60_000)
    assert not workflows._uses_strangers_text("${{ github.event.issue x " * 5_000)
    assert workflows._uses_strangers_text("echo ${{ format('{0}', github.event.issue.title) }}")


def test_a_tab_is_white_space_and_settings_of_programs_are_no_objects(scan: Scan) -> None:
    kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    ran = scan({"Dockerfile": f"FROM\tregistry.example.org/a@{DIGEST}\nUSER\t1000\n", "k.yaml": kubelet})
    assert ran.code == 0, ran
    assert ran.report["coverage"]["expected"] == 1


def test_a_template_gets_only_so_much_memory(scan: Scan) -> None:
    greedy = OBJECT + '# {{ repeat 4000000000 "a" | len }}\n'
    ran = scan(SMALL_CHART | {"c/templates/a.yaml": greedy}, "--scanners", '["trivy"]')
    assert ran.code == 2
    assert ran.one_line
