# When changes may be made. Undoing is always possible.
package flyball

import rego.v1

deny contains [40, "freeze.window", sprintf("no changes during %s", [freeze.name]), 0, "none"] if {
	changes
	not undoing
	some freeze in data.freezes
	frozen(freeze)
	input.now >= freeze.from
	input.now < freeze.until
}

frozen(freeze) if input.target.env in freeze.environments

# An environment that the table does not know counts as production here as well.
frozen(freeze) if {
	not data.environments[input.target.env]
	some env in freeze.environments
	data.environments[env] == "prod"
}

red contains [55, "hours.office", sprintf("it is outside the office hours of %s", [input.target.env]), 1, "none"] if {
	changes
	not undoing
	data.hours[input.target.env]
	not in_hours
}

in_hours if {
	hours := data.hours[input.target.env]
	local := input.now + (hours.utc_offset_h * 3600)
	day := floor(local / 86400)
	((day + 4) % 7) in hours.days
	hour := (local - (day * 86400)) / 3600
	hour >= hours.from_h
	hour < hours.until_h
}
