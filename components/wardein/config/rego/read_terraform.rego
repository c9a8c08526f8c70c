# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: Answers for every block of Terraform that was read
# description: No finding. What gets no such answer was not read, whatever trivy's exit code says.
# custom:
#   id: wardein/read
#   severity: LOW
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.read_terraform

import rego.v1

deny contains result.new("read", block) if {
	some module in input.modules
	some block in module.blocks
}
