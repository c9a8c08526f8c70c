# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a pod is given a token of the Kubernetes API"
# custom:
#   id: config/token-mounted
#   severity: MEDIUM
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.token_mounted

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a pod is given a token of the Kubernetes API", pod) if {
	some pod in k8s.pods
	not k8s.is_false(object.get(pod, "automountServiceAccountToken", null))
}
