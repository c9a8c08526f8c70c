# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a container has no limit of CPU or memory"
# custom:
#   id: config/no-limits
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.no_limits

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a container has no limit of CPU or memory", container) if {
	some [container, _] in k8s.containers
	some resource in ["cpu", "memory"]
	object.get(container, ["resources", "limits", resource], null) == null
}
