# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a namespace admits privileged pods"
# custom:
#   id: config/pod-security-privileged
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.pod_security_privileged

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a namespace admits privileged pods", input) if {
	k8s.is_namespace
	k8s.pod_security == "privileged"
}
