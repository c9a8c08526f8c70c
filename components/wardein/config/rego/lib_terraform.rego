# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: What the rules for Terraform ask
# custom:
#   library: true
#   input:
#     selector:
#     - type: terraform-raw
package lib.wardein.terraform

import rego.v1

resources contains block if {
	some module in input.modules
	some block in module.blocks
	block.kind == "resource"
}
