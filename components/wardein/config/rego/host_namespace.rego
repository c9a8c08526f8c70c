# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a pod shares its node's network, processes or memory"
# custom:
#   id: config/host-namespace
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.host_namespace

import data.lib.wardein.k8s
import rego.v1

deny contains result.new(sprintf("a pod shares its node's namespaces: %s", [name]), pod) if {
	some pod in k8s.pods
	some name in ["hostNetwork", "hostPID", "hostIPC"]
	k8s.is_true(object.get(pod, name, false))
}
