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
    yield from _elsewhere(node)
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
    return (below for below in node.walk() if is_pod(below))


def is_pod(node: Node) -> bool:
    """Whether this is a pod specification itself."""
    return node.is_map and any(c.is_map for c in node["containers"].each())


def _elsewhere(node: Node) -> Iterator[Hit]:
    """The ways out to the machine that are not in a list of containers.

    Argo's sidecars and the pod settings of its workflows, Tekton's steps, KServe's predictors: what they have in common
    are the names of the settings. ``rego/`` does not know them.
    """
    seen = {id(container) for container, _ in _containers(node)}
    for below in node.walk():
        if not below.is_map:
            continue
        if not is_pod(below):
            yield from _on_machine(below)
        if id(below) not in seen and below["securityContext"]["privileged"].is_true:
            yield Hit("config/privileged", below, below["name"].text or "container")


def _containers(node: Node) -> Iterator[tuple[Node, Node]]:
    """Every container with the pod specification that it is in; Argo's templates hold a single one."""
    for below in node.walk():
        if not below.is_map:
            continue
        if is_pod(below):
            yield from ((c, below) for name in _LISTS for c in below[name].each() if c.is_map)
        for name in ("container", "script"):
            if below[name]["image"].text:
                yield below[name], below


def _pod(pod: Node) -> Iterator[Hit]:
    yield from _on_machine(pod)
    if not pod["automountServiceAccountToken"].is_false:
        yield Hit("config/token-mounted", pod, text="automountServiceAccountToken")
    if pod["serviceAccountName"].text in ("", "default"):
        yield Hit("config/default-service-account", pod, text="serviceAccountName")


def _on_machine(pod: Node) -> Iterator[Hit]:
    """What of the machine a pod uses."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod[name].is_true:
            yield Hit("config/host-namespace", pod, name, text=name)
    for volume in pod["volumes"].each():
        if volume["hostPath"].exists:
            yield Hit("config/host-path", volume, "hostPath", text=f"hostPath {volume['hostPath']['path'].text}")


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
        told = f"{name}: {', '.join(sorted(added & _WAYS_OUT))}"
        yield Hit("config/capabilities-added", container, told, text=f"{told} capabilities added")
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
                what = (f"{key} {','.join(rule[key].texts())}" for key in ("apiGroups", "resources", "verbs"))
                yield Hit("config/rbac-wildcard", rule, text="; ".join(what))
    if kind in ("RoleBinding", "ClusterRoleBinding") and node.at("roleRef", "name").text == "cluster-admin":
        subjects = sorted(" ".join(s[k].text for k in ("kind", "namespace", "name")) for s in node["subjects"].each())
        yield Hit("config/cluster-admin", node["roleRef"], text=f"cluster-admin {'; '.join(subjects)}")
