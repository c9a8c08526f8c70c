# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "users of a SageMaker notebook are root"
# custom:
#   id: config/sagemaker-root
#   severity: MEDIUM
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.sagemaker_root

import data.lib.wardein.terraform
import rego.v1

deny contains result.new("users of a SageMaker notebook are root", block) if {
	some block in terraform.resources
	block.type == "aws_sagemaker_notebook_instance"
	not block.attributes.root_access.value == "Disabled"
}
