# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "somebody is made the cluster's administrator"
# custom:
#   id: config/cluster-admin
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.cluster_admin

import data.lib.wardein.k8s
import rego.v1

deny contains result.new("somebody is made the cluster's administrator", input.roleRef) if {
	k8s.is_rbac({"RoleBinding", "ClusterRoleBinding"})
	input.roleRef.name == "cluster-admin"
}
