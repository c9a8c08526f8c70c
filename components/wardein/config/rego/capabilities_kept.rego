# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a container keeps capabilities that training and serving do not need"
# custom:
#   id: config/capabilities-kept
#   severity: LOW
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.capabilities_kept

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a container keeps capabilities", container) if {
	some [container, _] in k8s.containers
	dropped := {upper(name) | some name in object.get(container, ["securityContext", "capabilities", "drop"], [])}
	not "ALL" in dropped
}
