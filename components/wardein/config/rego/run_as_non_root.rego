# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "nothing keeps a container from running as root"
# custom:
#   id: config/run-as-non-root
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.run_as_non_root

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("nothing keeps a container from running as root", container) if {
	some [container, pod] in k8s.containers
	of_pod := object.get(pod, ["securityContext", "runAsNonRoot"], null)
	own := object.get(container, ["securityContext", "runAsNonRoot"], null)
	not k8s.is_true(first(own, of_pod))
}

first(own, of_pod) := of_pod if own == null

first(own, _) := own if own != null
