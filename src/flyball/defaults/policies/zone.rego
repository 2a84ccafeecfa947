# How much human attention: the table of kind, environment and sensitivity, raised by what is known of
# this call. Nothing here lowers a zone.
package flyball

import rego.v1

default class := "prod"

class := data.environments[input.target.env]

table_zone := data.zones[input.kind.name][class][input.target.sensitivity]

default zone := "red"

zone := "yellow" if {
	count(red) == 0
	count(yellow) > 0
}

zone := "green" if {
	count(red) == 0
	count(yellow) == 0
	table_zone == "green"
}

# What an allowed action says for itself.
tint contains [90, "zone.table", sprintf("%s on a %s target in %s is %s", [
	input.kind.name,
	input.target.sensitivity,
	input.target.env,
	table_zone,
]), 1, "none"]

tint contains finding if some finding in yellow

yellow contains [90, "zone.table", sprintf("%s on a %s target in %s is yellow", [
	input.kind.name,
	input.target.sensitivity,
	input.target.env,
]), 1, "none"] if {
	table_zone == "yellow"
}

yellow contains [80, "risk.raised", sprintf("%s raises it to yellow", [note.by]), 1, "none"] if {
	some note in input.risk.annotations
	note.raise == "yellow"
}

red contains [90, "zone.table", sprintf("%s on a %s target in %s is red", [
	input.kind.name,
	input.target.sensitivity,
	input.target.env,
]), 1, "none"] if {
	table_zone == "red"
}

red contains [91, "zone.missing", sprintf("the zones table has no entry for %s", [input.kind.name]), 1, "none"] if {
	not known_zone
}

known_zone if table_zone in ["green", "yellow", "red"]

red contains [80, "risk.raised", sprintf("%s raises it to red", [note.by]), 1, "none"] if {
	some note in input.risk.annotations
	note.raise == "red"
}

red contains [20, "destructive.quorum", "a destructive action needs more than one person", data.approvals.destructive.quorum, "none"] if {
	input.kind.destructive
}

red contains [30, "irreversible.tainted", "it cannot be undone and untrusted text was read before", data.approvals.untrusted.quorum, "none"] if {
	changes
	not input.kind.reversible
	input.context.integrity == "observed"
}

red contains [40, "irreversible.red", "it cannot be undone", 1, "none"] if {
	changes
	not input.kind.reversible
}

red contains [60, "review.overdue", "an earlier yellow action of this agent was not reviewed in time", 1, "none"] if {
	count(yellow) > 0
	input.review.overdue > 0
}

red contains [50, "blast.targets", sprintf("it acts on %d targets at once", [input.blast.targets]), 1, "none"] if {
	changes
	not few_targets
}

few_targets if input.blast.targets <= data.limits.targets

red contains [51, "blast.share", "it acts on a large share of the estate at once", 1, "none"] if {
	changes
	input.blast.targets > 1
	not small_share
}

small_share if input.blast.share <= data.limits.share

red contains [52, "attempt.many", sprintf("this is attempt %d of the same call", [input.call.attempt]), 1, "none"] if {
	changes
	not few_attempts
}

few_attempts if input.call.attempt <= data.limits.attempts

red contains [53, "pace.fast", sprintf("%d changes in ten minutes", [input.pace.last_10m]), 1, "none"] if {
	changes
	not slow_enough
}

slow_enough if input.pace.last_10m < data.limits.changes_10m
