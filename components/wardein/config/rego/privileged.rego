# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a container is privileged"
# custom:
#   id: config/privileged
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.privileged

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a container is privileged", container) if {
	some [container, _] in k8s.containers
	k8s.is_true(object.get(container, ["securityContext", "privileged"], false))
}
