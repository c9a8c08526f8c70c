# SPDX-License-Identifier: Apache-2.0
# Rules that thresholds cannot say, for releases that matter. docs/rego.md documents the input and the profile.
package wardein.release

import rego.v1

# What denies is said below; nothing more is asked for.
default allow := true

# The longest that a waiver may still run: 90 days.
longest_waiver_hours := 2160

# Three kinds of looking: at the data, at the model's conduct, at what will serve it.
kinds := {
	"data": {"validate_data", "detect_leakage", "detect_drift", "detect_poisoning"},
	"model": {"evaluate_performance", "evaluate_robustness", "evaluate_fairness", "evaluate_privacy", "evaluate_behavior"},
	"serving": {"scan_image", "scan_dependencies", "scan_code", "scan_config", "verify_artifact"},
}

passed := {check.check | some check in input.checks; check.verdict == "PASS"}

deny contains message if {
	some kind, names in kinds
	count(intersection({names, passed})) == 0
	message := sprintf("no check of the kind %s has passed; one of these is needed: %v", [kind, names])
}

deny contains message if {
	some waiver in input.waivers
	waiver.expires_in_hours > longest_waiver_hours
	message := sprintf("the waiver of %s by %s runs longer than 90 days", [waiver.rule, waiver.owner])
}

deny contains message if {
	some waiver in input.waivers
	waiver.owner == waiver.approver
	message := sprintf("the waiver of %s was approved by its own owner, %s", [waiver.rule, waiver.owner])
}

deny contains message if {
	some check in input.checks
	some finding in check.findings
	finding.waived
	finding.severity == "critical"
	input.tier == "high"
	message := sprintf("%s: the critical finding %s is waived; at the tier 'high' it has to be mended", [check.check, finding.rule])
}

# An estimate without an interval says nothing about how far it can be trusted.
deny contains message if {
	input.tier == "high"
	some check in input.checks
	some metric in check.metrics
	metric.name in {"accuracy", "robust_accuracy"}
	low := metric.ci_low
	not is_number(low)
	message := sprintf("%s: %s has no confidence interval", [check.check, metric.name])
}

# Breaking the glass takes somebody else beside the one who breaks it.
deny contains message if {
	some approval in input.approvals
	approval.break_glass
	others := {other.identity | some other in input.approvals; other.identity != approval.identity}
	count(others) == 0
	message := sprintf("%s broke the glass alone", [approval.identity])
}
