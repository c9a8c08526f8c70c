# SPDX-License-Identifier: Apache-2.0
"""Rules that one Kubernetes object breaks on its own; ``rego/`` has the same ones for trivy."""

from __future__ import annotations

from collections.abc import Iterator

from wardein.config.hits import Hit, image_hits, is_secret
from wardein.config.nodes import Node

PSA_LABEL = "pod-security.kubernetes.io/enforce"
_LISTS = ("initContainers", "containers", "ephemeralContainers")
_WAYS_OUT = frozenset(
    ("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "NET_ADMIN", "NET_RAW", "BPF")
    + ("DAC_READ_SEARCH", "DAC_OVERRIDE", "PERFMON")
)
_ISTIO = "security.istio.io/"
_RBAC = "rbac.authorization.k8s.io/"


def hits(node: Node) -> Iterator[Hit]:
    """What one object breaks."""
    kind, group = node["kind"].text, node["apiVersion"].text
    for pod in pods(node):
        yield from _pod(pod)
    for container, pod in _containers(node):
        yield from _container(container, pod)
    if kind == "Namespace" and group == "v1":
        yield from _namespace(node)
    elif kind == "NetworkPolicy":
        yield from _network_policy(node)
    elif kind == "PodDefault":
        yield from _environment(node["spec"])
    elif group.startswith(_ISTIO):
        yield from _istio(kind, node["spec"])
    elif group.startswith(_RBAC):
        yield from _rbac(kind, node)


def pods(node: Node) -> Iterator[Node]:
    """Every pod specification in an object, whatever kind of object it is: it is what has a list of containers."""
    for below in node.walk():
        if below.is_map and any(c.is_map for c in below["containers"].each()):
            yield below


def _containers(node: Node) -> Iterator[tuple[Node, Node]]:
    """Every container with the pod specification that it is in; Argo's templates hold a single one."""
    for below in node.walk():
        if not below.is_map:
            continue
        if any(c.is_map for c in below["containers"].each()):
            yield from ((c, below) for name in _LISTS for c in below[name].each() if c.is_map)
        for name in ("container", "script"):
            if below[name]["image"].text:
                yield below[name], below


def _pod(pod: Node) -> Iterator[Hit]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod[name].is_true:
            yield Hit("config/host-namespace", pod, name, text=name)
    for volume in pod["volumes"].each():
        if volume["hostPath"].exists:
            yield Hit("config/host-path", volume, "hostPath")
    if not pod["automountServiceAccountToken"].is_false:
        yield Hit("config/token-mounted", pod, text="automountServiceAccountToken")
    if pod["serviceAccountName"].text in ("", "default"):
        yield Hit("config/default-service-account", pod, text="serviceAccountName")


def _container(container: Node, pod: Node) -> Iterator[Hit]:
    name = container["name"].text or "container"
    own, of_pod = container["securityContext"], pod["securityContext"]
    if own["privileged"].is_true:
        yield Hit("config/privileged", container, name)
    if not own["allowPrivilegeEscalation"].is_false:
        yield Hit("config/privilege-escalation", container, name, text=f"{name} allowPrivilegeEscalation")
    decides = own["runAsNonRoot"] if own["runAsNonRoot"].exists else of_pod["runAsNonRoot"]
    if not decides.is_true:
        yield Hit("config/run-as-non-root", container, name, text=f"{name} runAsNonRoot")
    capabilities = own["capabilities"]
    added = {text.upper().removeprefix("CAP_") for text in capabilities["add"].texts()}
    if added & _WAYS_OUT:
        yield Hit("config/capabilities-added", container, f"{name}: {', '.join(sorted(added & _WAYS_OUT))}")
    if "ALL" not in {text.upper() for text in capabilities["drop"].texts()}:
        yield Hit("config/capabilities-kept", container, name, text=f"{name} capabilities")
    limits = container["resources"]["limits"]
    missing = [resource for resource in ("cpu", "memory") if not limits[resource].exists]
    if missing:
        yield Hit("config/no-limits", container, f"{name}: {', '.join(missing)}", text=f"{name} limits")
    # Told of the whole container, as other tools tell it.
    yield from image_hits(container, container["image"].text)
    yield from _environment(container)


def _environment(container: Node) -> Iterator[Hit]:
    for variable in container["env"].each():
        name = variable["name"].text
        if is_secret(name, variable["value"].text):
            yield Hit("config/secret-in-env", variable, f"{name[:80]} (the value is not shown)", text=f"env {name}")


def _namespace(node: Node) -> Iterator[Hit]:
    level = node.at("metadata", "labels", PSA_LABEL)
    if level.text == "privileged":
        yield Hit("config/pod-security-privileged", node)
    elif level.text not in ("baseline", "restricted"):
        yield Hit("config/pod-security-unset", node)


def allows_all(rule: Node, peers: str) -> bool:
    """Whether a rule of a NetworkPolicy limits neither peers nor ports."""
    everybody = [peer for peer in rule[peers].each() if peer.at("ipBlock", "cidr").text in ("0.0.0.0/0", "::/0")]
    return rule.is_map and not rule["ports"].value and (not rule[peers].value or bool(everybody))


def _network_policy(node: Node) -> Iterator[Hit]:
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in node["spec"][direction].each():
            if allows_all(rule, peers):
                yield Hit("config/network-policy-allow-all", node["spec"], direction, text=direction)
                break


def _istio(kind: str, spec: Node) -> Iterator[Hit]:
    if kind == "PeerAuthentication":
        mode = spec["mtls"]["mode"].text
        if mode in ("PERMISSIVE", "DISABLE"):
            yield Hit("config/mtls-not-strict", spec, mode)
        for port, setting in spec["portLevelMtls"].items():
            if setting["mode"].text in ("PERMISSIVE", "DISABLE"):
                yield Hit("config/mtls-port-exception", setting, f"port {port[:10]}: {setting['mode'].text}")
    if kind == "AuthorizationPolicy" and spec["action"].text in ("", "ALLOW"):
        empty = [rule for rule in spec["rules"].each() if rule.is_map and not rule.value]
        yield from (Hit("config/authorization-allow-all", rule) for rule in empty)


def _rbac(kind: str, node: Node) -> Iterator[Hit]:
    if kind in ("Role", "ClusterRole"):
        for rule in node["rules"].each():
            if any("*" in rule[name].texts() for name in ("verbs", "resources")):
                yield Hit("config/rbac-wildcard", rule)
    if kind in ("RoleBinding", "ClusterRoleBinding") and node.at("roleRef", "name").text == "cluster-admin":
        yield Hit("config/cluster-admin", node["roleRef"])
