# SPDX-License-Identifier: Apache-2.0
"""The rules for Kubernetes objects in Python and those in Rego, in trivy's OPA, find the same in the same places."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from wardein.config import objects
from wardein.config.nodes import read_json
from wardein.config.rules import BY_ID
from wardein.config.written import written
from wardein.tools import trivy, trivy_config

pytestmark = pytest.mark.scanners

COUNT = 160
DIGEST = "sha256:" + "ab" * 32
VALUES: dict[str, list[Any]] = {
    "image": ["x", "x:latest", "h:5000/x", "x:1", f"x:1@{DIGEST}", f"x@{DIGEST}0", "x:${TAG}", "", "A/b:latest"],
    "name": [
        "c",
        "HF_TOKEN",
        "PAD_TOKEN",
        "dbPassword",
        "PASSWORD_FILE",
        "AWS_ACCESS_KEY_ID",
        "api-key",
        "MAX_TOKENS",
        "accountKey",
    ],
    "value": [
        "",
        "true",
        "12",
        1234567,
        "hunter2-x",
        "$(X)",
        "${X}",
        "{{x}}",
        "<pad>",
        "postgres://u:p@h/x",
        "AKIA" + "A" * 16,
        "hf_" + "a" * 24,
        None,
    ],
    "flag": [True, False, None, "true", "false", "yes", "No"],
    "capability": ["ALL", "all", "SYS_ADMIN", "CAP_SYS_PTRACE", "NET_BIND_SERVICE", "cap_net_admin"],
}


class Made:
    """Objects at random, the same ones every time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def some(self, kind: str) -> Any:
        return self.random.choice(VALUES[kind])

    def maybe(self, **fields: Any) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if self.random.random() < 0.6}

    def several(self, make: Any, most: int = 3) -> list[Any]:
        return [make() for _ in range(self.random.randrange(most))]

    def container(self) -> dict[str, Any]:
        capabilities = self.maybe(
            add=self.several(lambda: self.some("capability")), drop=self.several(lambda: self.some("capability"))
        )
        security = self.maybe(
            privileged=self.some("flag"),
            allowPrivilegeEscalation=self.some("flag"),
            runAsNonRoot=self.some("flag"),
            capabilities=capabilities,
        )
        env = self.several(lambda: {"name": self.some("name")} | self.maybe(value=self.some("value")))
        limits = self.maybe(cpu="1", memory=self.random.choice(["1Gi", None]))
        return {"name": "c"} | self.maybe(
            image=self.some("image"), securityContext=security, env=env, resources={"limits": limits}
        )

    def pod(self) -> dict[str, Any]:
        volumes = self.several(lambda: {"name": "v"} | self.maybe(hostPath={"path": "/"}))
        return {"containers": [self.container(), *self.several(self.container)]} | self.maybe(
            initContainers=self.several(self.container),
            hostNetwork=self.some("flag"),
            hostPID=self.some("flag"),
            volumes=volumes,
            automountServiceAccountToken=self.some("flag"),
            serviceAccountName=self.random.choice(["", "default", "own", None]),
            securityContext=self.maybe(runAsNonRoot=self.some("flag")),
        )

    def rule(self, peers: str) -> dict[str, Any]:
        cidr = self.random.choice(["0.0.0.0/0", "::/0", "10.0.0.0/8"])
        return self.maybe(
            **{peers: self.several(lambda: {"ipBlock": {"cidr": cidr}}), "ports": self.several(lambda: {"port": 1})}
        )

    def one(self) -> dict[str, Any]:
        """An object of one of the kinds that the rules are about."""
        mode = self.random.choice(["STRICT", "PERMISSIVE", "DISABLE", "UNSET"])
        level = self.random.choice(["privileged", "baseline", "restricted", "x", True])
        star = self.random.choice([["*"], ["get", "*"], ["pods"], "*", []])
        kinds: list[tuple[str, str, dict[str, Any]]] = [
            ("v1", "Pod", {"spec": self.pod()}),
            ("batch/v1", "Job", {"spec": {"template": {"spec": self.pod()}}}),
            (
                "kubeflow.org/v1",
                "PyTorchJob",
                {"spec": {"pytorchReplicaSpecs": {"Worker": {"template": {"spec": self.pod()}}}}},
            ),
            ("serving.kserve.io/v1beta1", "InferenceService", {"spec": {"predictor": self.pod()}}),
            (
                "argoproj.io/v1alpha1",
                "Workflow",
                {"spec": {"templates": [{"name": "t", "container": self.container()}, {"script": self.container()}]}},
            ),
            ("kubeflow.org/v1alpha1", "PodDefault", {"spec": {"env": self.container().get("env", [])}}),
            (
                "v1",
                "Namespace",
                {"metadata": {"name": "n"} | self.maybe(labels=self.maybe(**{objects.PSA_LABEL: level}))},
            ),
            (
                "networking.k8s.io/v1",
                "NetworkPolicy",
                {
                    "spec": self.maybe(
                        ingress=self.several(lambda: self.rule("from")), egress=self.several(lambda: self.rule("to"))
                    )
                },
            ),
            (
                "security.istio.io/v1",
                "PeerAuthentication",
                {
                    "spec": self.maybe(
                        mtls={"mode": mode}, portLevelMtls={"80": {"mode": mode}, "81": {"mode": "STRICT"}}
                    )
                },
            ),
            (
                "security.istio.io/v1",
                "AuthorizationPolicy",
                {
                    "spec": self.maybe(
                        action=self.random.choice(["ALLOW", "DENY"]),
                        rules=self.several(lambda: self.random.choice([{}, {"to": [{}]}])),
                    )
                },
            ),
            (
                "rbac.authorization.k8s.io/v1",
                "ClusterRole",
                {"rules": self.several(lambda: self.maybe(verbs=star, resources=["x"]))},
            ),
            (
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                {"roleRef": {"name": self.random.choice(["cluster-admin", "edit"])}},
            ),
        ]
        version, kind, rest = self.random.choice(kinds)
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}} | rest


def test_python_and_rego_agree(tmp_path: Path) -> None:
    made = Made(20260401)
    texts = [json.dumps(made.one(), indent=1) for _ in range(COUNT)]
    nodes = [read_json(text, "object") for text in texts]
    for number, node in enumerate(nodes):
        (tmp_path / f"{number:04d}.yaml").write_bytes(written(node))
    python = {(n, hit.rule, hit.node.line) for n, node in enumerate(nodes) for hit in objects.hits(node)}
    _, report = trivy_config.run_on(trivy.locate(), tmp_path, trivy_config.RULES)
    results = json.loads(report)["Results"]
    found = [(int(r["Target"][:4]), m) for r in results for m in r["Misconfigurations"]]
    rego = {(n, m["ID"], m["CauseMetadata"].get("StartLine", 0)) for n, m in found if m["ID"].startswith("config/")}
    assert rego == python
    assert {n for n, m in found if m["ID"] == "wardein/read"} == set(range(COUNT))
    # Every rule that there is fired, and not only those.
    assert {rule for _, rule, _ in python} == {f"config/{name}" for name in _rules("kubernetes")}


def test_rego_says_what_the_table_says() -> None:
    for path in trivy_config.RULES.glob("*.rego"):
        text = path.read_text()
        if "id: config/" not in text:
            continue
        name = text.split("id: ")[1].split()[0]
        assert f'title: "{BY_ID[name].title}"' in text
        assert f"severity: {BY_ID[name].severity.upper()}" in text


def _rules(selector: str) -> set[str]:
    texts = [path.read_text() for path in trivy_config.RULES.glob("*.rego")]
    return {
        text.split("id: config/")[1].split()[0]
        for text in texts
        if f"type: {selector}\n" in text and "id: config/" in text
    }
