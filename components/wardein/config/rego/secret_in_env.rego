# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a secret is written into the configuration"
# custom:
#   id: config/secret-in-env
#   severity: HIGH
#   input:
#     selector:
#     - type: kubernetes
package user.wardein.secret_in_env

import data.lib.wardein.k8s
import rego.v1

deny contains result.new(sprintf("a secret is written out: %s", [variable.name]), variable) if {
	some variables in k8s.environments
	some variable in variables
	k8s.is_secret(object.get(variable, "name", ""), object.get(variable, "value", ""))
}
