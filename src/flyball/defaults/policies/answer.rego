# The one answer. Everything is denied unless no rule denies and the role is known to allow the kind;
# a red zone asks. Every rule below is written so that a missing fact or a missing table denies or asks.
package flyball

import data.flyball.change
import rego.v1

default answer := {
	"effect": "deny",
	"zone": "red",
	"reason": "no rule allows this action",
	"rule": "default.deny",
	"approvers": {"group": "sre", "quorum": 2, "factor": "none"},
	"obligations": [],
	"constraints": {},
}

answer := {
	"effect": "deny",
	"zone": zone,
	"reason": reasons(deny),
	"rule": min(deny)[1],
	"approvers": approvers,
	"obligations": [],
	"constraints": {},
} if {
	count(deny) > 0
}

answer := {
	"effect": "ask",
	"zone": "red",
	"reason": reasons(red),
	"rule": min(red)[1],
	"approvers": approvers,
	"obligations": obligations,
	"constraints": object.union(constraints, {"approve_within_s": data.approvals.within_s}),
} if {
	count(deny) == 0
	role_allows
	zone == "red"
}

answer := {
	"effect": "allow",
	"zone": zone,
	"reason": reasons(tint),
	"rule": concat(".", ["zone", zone]),
	"approvers": approvers,
	"obligations": obligations,
	"constraints": constraints,
} if {
	count(deny) == 0
	role_allows
	zone != "red"
}

# A finding is [rank, name of the rule, reason, people needed, factor]; the lowest rank names the answer.
# Ranks have two digits each, so that every engine sorts them alike.
reasons(findings) := concat("; ", [finding[2] | some finding in sort(findings)])

# What the change itself would bring about.
deny contains finding if {
	changes
	some finding in change.deny
}

red contains finding if {
	changes
	some finding in change.red
}

# Named for every answer: another check may hold an action that policy allows, and then people are asked as well.
approvers := {"group": group, "quorum": quorum, "factor": factor}

default quorum := 1

quorum := max([finding[3] | some finding in red])

default factor := "none"

factor := data.approvals.destructive.factor if input.kind.destructive

factor := data.approvals.destructive.factor if {
	some finding in change.red
	finding[4] == data.approvals.destructive.factor
}

group := data.approvals.group[class]

obligations := sort(duty)

duty contains "verify" if changes

duty contains "recipe" if {
	changes
	input.kind.reversible
}

duty contains "review" if zone == "yellow"

default constraints := {}

constraints := data.constraints[input.kind.name]
