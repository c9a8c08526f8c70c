# SPDX-License-Identifier: Apache-2.0
#
# METADATA
# title: "data of SageMaker is not encrypted with a key of one's own"
# custom:
#   id: config/sagemaker-kms
#   severity: MEDIUM
#   input:
#     selector:
#     - type: terraform-raw
package user.wardein.sagemaker_kms

import data.lib.wardein.terraform
import rego.v1

fields := {
	"aws_sagemaker_endpoint_configuration": "kms_key_arn",
	"aws_sagemaker_notebook_instance": "kms_key_id",
	"aws_sagemaker_domain": "kms_key_id",
}

deny contains result.new("data of SageMaker is not encrypted with a key of one's own", block) if {
	some block in terraform.resources
	field := fields[block.type]
	not block.attributes[field]
}
