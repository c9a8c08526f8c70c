# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a container is given a capability that leads to its node"
# custom:
#   id: config/capabilities-added
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.capabilities_added

import data.lib.wardein.k8s
import rego.v1

ways_out := {
	"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "NET_ADMIN", "NET_RAW", "BPF",
	"DAC_READ_SEARCH", "DAC_OVERRIDE", "PERFMON",
}

deny contains result.new("a container is given a capability that leads to its node", container) if {
	some [container, _] in k8s.containers
	some name in object.get(container, ["securityContext", "capabilities", "add"], [])
	trim_prefix(upper(name), "CAP_") in ways_out
}
