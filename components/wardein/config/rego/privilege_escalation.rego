# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a container may gain more privileges than it was started with"
# custom:
#   id: config/privilege-escalation
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.privilege_escalation

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a container may gain more privileges", container) if {
	some [container, _] in k8s.containers
	not k8s.is_false(object.get(container, ["securityContext", "allowPrivilegeEscalation"], null))
}
