# Who may do this at all: role, grant, delegation, budget, isolation, confidence. The grant is also checked
# outside policy; it is asked here again so that policy alone never widens it.
package flyball

import rego.v1

changes if input.kind.effect != "read"

undoing if input.call.purpose == "undo"

role_allows if input.kind.name in data.roles[input.agent.role]

deny contains [10, "role.kind", sprintf("the role %s may not use %s", [input.agent.role, input.kind.name]), 0, "none"] if {
	not role_allows
}

deny contains [11, "grant.kind", sprintf("the grant does not hold %s", [input.kind.name]), 0, "none"] if {
	not input.kind.name in input.grant.kinds
}

deny contains [12, "grant.target", sprintf("the grant does not hold the target %s", [input.target.name]), 0, "none"] if {
	not input.target.name in input.grant.targets
}

deny contains [13, "grant.env", sprintf("the grant does not hold the environment %s", [input.target.env]), 0, "none"] if {
	not input.target.env in input.grant.env
}

deny contains [13, "grant.region", sprintf("the grant does not hold the region %s", [input.target.region]), 0, "none"] if {
	not input.target.region in input.grant.regions
}

deny contains [14, "grant.used", "the grant has no uses left", 0, "none"] if {
	not input.grant.uses_left > 0
}

deny contains [15, "grant.expired", "the grant has expired", 0, "none"] if {
	not input.grant.expires_in_s > 0
}

zone_rank := {"green": 0, "yellow": 1, "red": 2}

deny contains [16, "grant.ceiling", sprintf("the zone %s is above the grant's ceiling %s", [zone, input.grant.ceiling]), 0, "none"] if {
	not under_ceiling
}

under_ceiling if zone_rank[zone] <= zone_rank[input.grant.ceiling]

deny contains [17, "target.unknown", sprintf("the target %s is not in the catalogue", [input.target.name]), 0, "none"] if {
	changes
	not input.target.known
}

deny contains [18, "delegation.depth", "it was delegated too many times", 0, "none"] if {
	not near_enough
}

near_enough if input.agent.depth <= data.limits.depth

deny contains [19, "budget.spent", "the budget is spent", 0, "none"] if {
	not undoing
	not input.budget.micros_left > 0
}

isolation := data.isolation.kind[input.kind.name]

isolation := data.isolation.effect[input.kind.effect] if {
	not data.isolation.kind[input.kind.name]
}

deny contains [20, "isolation.level", sprintf("%s needs stronger isolation than %s", [
	input.kind.name,
	input.sandbox.level,
]), 0, "none"] if {
	not isolated
}

isolated if input.sandbox.level in isolation

least := data.confidence.kind[input.kind.name]

least := data.confidence.effect[input.kind.effect] if {
	not data.confidence.kind[input.kind.name]
}

deny contains [21, "confidence.deny", sprintf("a confidence of %v is too low for %s", [
	input.call.confidence,
	input.kind.name,
]), 0, "none"] if {
	not sure_enough
}

sure_enough if input.call.confidence >= least.deny

red contains [70, "confidence.ask", sprintf("a confidence of %v is below the floor for %s", [
	input.call.confidence,
	input.kind.name,
]), 1, "none"] if {
	not sure
}

sure if input.call.confidence >= least.ask
