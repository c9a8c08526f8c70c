# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a pod runs under the namespace's default service account"
# custom:
#   id: config/default-service-account
#   severity: LOW
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.default_service_account

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a pod runs under the default service account", pod) if {
	some pod in k8s.pods
	object.get(pod, "serviceAccountName", "") in {"", "default", null}
}
