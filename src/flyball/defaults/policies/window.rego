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
	local := [floor(input.now) * 1000000000, hours.time_zone]
	time.weekday(local) in hours.days
	[hour, minute, _] := time.clock(local)
	since_midnight := hour + (minute / 60)
	since_midnight >= hours.from_h
	since_midnight < hours.until_h
}
