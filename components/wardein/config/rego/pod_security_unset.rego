# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a namespace sets no pod-security level"
# custom:
#   id: config/pod-security-unset
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.pod_security_unset

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a namespace sets no pod-security level", input) if {
	k8s.is_namespace
	not k8s.pod_security in {"privileged", "baseline", "restricted"}
}
