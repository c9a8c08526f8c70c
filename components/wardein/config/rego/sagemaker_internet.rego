# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "a SageMaker notebook has direct internet access"
# custom:
#   id: config/sagemaker-internet
#   severity: HIGH
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.sagemaker_internet

import data.lib.wardein.terraform
import rego.v1

deny contains result.new("a SageMaker notebook has direct internet access", block) if {
	some block in terraform.resources
	block.type == "aws_sagemaker_notebook_instance"
	not block.attributes.direct_internet_access.value == "Disabled"
}
