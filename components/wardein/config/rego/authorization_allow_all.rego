# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "an Istio AuthorizationPolicy lets everybody in"
# custom:
#   id: config/authorization-allow-all
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.authorization_allow_all

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("an Istio AuthorizationPolicy lets everybody in", rule) if {
	k8s.is_istio("AuthorizationPolicy")
	object.get(input.spec, "action", "ALLOW") == "ALLOW"
	some rule in k8s.list(input.spec, "rules")
	object.remove(rule, ["__defsec_metadata"]) == {}
}
