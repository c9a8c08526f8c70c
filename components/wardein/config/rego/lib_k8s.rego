# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: What the rules for Kubernetes objects ask
# custom:
#   library: true
#   input:
#     selector:
#     - type: kubernetes
package lib.wardein.k8s

import rego.v1

# Every pod specification in an object, whatever kind of object it is: it is what has a list of containers.
pods contains pod if {
	walk(input, [_, pod])
	some container in list(pod, "containers")
	is_object(container)
}

# Every container with the pod specification that it is in; Argo's templates hold a single one.
containers contains [container, pod] if {
	some pod in pods
	some name in ["initContainers", "containers", "ephemeralContainers"]
	some container in list(pod, name)
	is_object(container)
}

containers contains [container, template] if {
	walk(input, [_, template])
	is_object(template)
	some name in ["container", "script"]
	container := template[name]
	is_string(container.image)
	container.image != ""
}

environments contains list(container, "env") if some [container, _] in containers

environments contains list(input.spec, "env") if input.kind == "PodDefault"

list(from, name) := found if {
	is_object(from)
	found := object.get(from, name, [])
	is_array(found)
}

# Trivy shows an empty list as null.
list(from, name) := [] if {
	is_object(from)
	object.get(from, name, []) == null
}

is_true(value) if value == true

is_true(value) if lower(value) in {"true", "yes", "on"}

is_false(value) if value == false

is_false(value) if lower(value) in {"false", "no", "off"}

without_digest(container) if {
	is_string(container.image)
	container.image != ""
	not regex.match(`@sha256:[0-9a-f]{64}$`, container.image)
}

# A secret is told by the end of its name, or by its own form.
is_secret(name, value) if {
	snake := regex.replace(name, `([a-z0-9])([A-Z])`, "${1}_${2}")
	regex.match(secret_name, snake)
	not regex.match(`(?i)(^|[_.-])(pad|eos|bos|unk|sep|cls|mask|stop|image)[_.-]token$`, snake)
	not regex.match(no_secret, as_text(value))
}

is_secret(_, value) if regex.match(secret, as_text(value))

as_text(value) := value if is_string(value)

as_text(value) := sprintf("%v", [value]) if is_number(value)

as_text(value) := "" if {
	not is_string(value)
	not is_number(value)
}

secret_name := concat("", [
	`(?i)(^|[_.-])(password|passwd|pwd|passphrase|secret|token|credentials?|apikey|api[_.-]?key`,
	`|(access|private|secret|account)[_.-]?key([_.-]id)?)$`,
])

no_secret := `^[$<{\[%]|\$\(|\$\{|\{\{|^(?i:true|false|none|null)?$|^[0-9]{1,3}$`

secret := concat("", [
	`(AKIA|ASIA)[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pousr]_[0-9A-Za-z]{20}|\bhf_[0-9A-Za-z]{20}`,
	`|\bsk-[0-9A-Za-z_-]{20}|\bAIza[0-9A-Za-z_-]{30}|xox[abp]-[0-9A-Za-z-]{10}|://[^/@:\s]+:[^/@$\s{]+@`,
])

is_namespace if {
	input.kind == "Namespace"
	input.apiVersion == "v1"
}

pod_security := object.get(input, ["metadata", "labels", "pod-security.kubernetes.io/enforce"], "")

is_istio(kind) if {
	input.kind == kind
	startswith(input.apiVersion, "security.istio.io/")
}

is_rbac(kinds) if {
	input.kind in kinds
	startswith(input.apiVersion, "rbac.authorization.k8s.io/")
}
