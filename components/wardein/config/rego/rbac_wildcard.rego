# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a role may do everything, or something to everything"
# custom:
#   id: config/rbac-wildcard
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.rbac_wildcard

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("a role may do everything, or something to everything", rule) if {
	k8s.is_rbac({"Role", "ClusterRole"})
	some rule in k8s.list(input, "rules")
	some name in ["verbs", "resources"]
	star(object.get(rule, name, []))
}

star(names) if names == "*"

star(names) if "*" in names
