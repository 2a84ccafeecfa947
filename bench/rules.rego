# The rules of `bench/policy.py`: thirty, over the data and the inputs that `bench/estate.py` makes.
package bench

default allow := false

allow if {
	count(reasons) == 0
	some grant in data.grants[input.agent.id]
	covers(grant)
}

covers(grant) if {
	glob.match(grant.action, [":"], input.action.name)
	input.target.env in grant.envs
	input.target.region in grant.regions
	input.now < grant.expires
}

role := data.agents[input.agent.id].role

team := data.agents[input.agent.id].team

known if data.agents[input.agent.id].active

production if input.target.env == "prod"

destructive if input.action.name in data.settings.destructive

destructive if endswith(input.action.name, ":delete")

reasons contains "the agent is not known" if not known

reasons contains "the action layer is frozen" if data.settings.kill_switch == true

reasons contains msg if {
	not input.action.name in data.roles[role]
	msg := sprintf("role %s may not %s", [role, input.action.name])
}

reasons contains msg if {
	floor := data.settings.floors[input.action.name]
	input.agent.confidence < floor
	msg := sprintf("confidence %v is below %v", [input.agent.confidence, floor])
}

reasons contains "the finance agent allocates only above 0.85" if {
	input.agent.id == "FinanceAgent"
	input.action.name == "allocate_budget"
	input.agent.confidence <= 0.85
}

reasons contains msg if {
	not production
	some resource in input.plan.resources
	resource.gpu in {"A100", "H100"}
	msg := sprintf("%s: %s is for production only", [resource.name, resource.gpu])
}

reasons contains msg if {
	some resource in input.plan.resources
	resource.tags.purpose == "training"
	not resource.encrypted
	msg := sprintf("%s: training data is not encrypted at rest", [resource.name])
}

reasons contains msg if {
	some resource in input.plan.resources
	resource.kind == "index"
	not resource.region in data.settings.index_regions
	msg := sprintf("%s: an index may not be in %s", [resource.name, resource.region])
}

reasons contains msg if {
	some resource in input.plan.resources
	some rule in resource.ingress
	rule.cidr == "0.0.0.0/0"
	rule.port != 443
	msg := sprintf("%s: port %d is open to the world", [resource.name, rule.port])
}

reasons contains msg if {
	some resource in input.plan.resources
	some label in data.settings.labels
	not resource.tags[label]
	msg := sprintf("%s: the label %s is missing", [resource.name, label])
}

reasons contains msg if {
	some resource in input.plan.resources
	resource.nodes.after > resource.nodes.before * 2
	resource.nodes.after - resource.nodes.before > 5
	msg := sprintf("%s: from %d to %d nodes", [resource.name, resource.nodes.before, resource.nodes.after])
}

reasons contains msg if {
	some resource in input.plan.resources
	resource.change == "delete"
	resource.protected
	msg := sprintf("%s is protected", [resource.name])
}

reasons contains "the budget of the agent is spent" if {
	input.agent.spent + input.action.cost > data.agents[input.agent.id].budget
}

reasons contains "the budget of the team is spent" if {
	budget := data.budgets[team]
	budget.spent + input.action.cost > budget.limit
}

reasons contains msg if {
	some window in data.settings.freezes
	input.now >= window.from
	input.now < window.until
	production
	msg := concat("", ["frozen: ", window.why])
}

reasons contains "too many actions this minute" if input.agent.actions_per_minute > data.settings.rate

reasons contains "untrusted words decide where it goes" if {
	input.provenance.target == "untrusted"
}

why_zone contains "red: destructive in production" if {
	destructive
	production
}

why_zone contains "yellow: outside office hours" if {
	production
	hour := floor(input.now / 3600) % 24
	not office(hour)
}

office(hour) if {
	hour >= 8
	hour < 18
}

why_zone contains "yellow: costs more than 100" if input.action.cost > 100

why_zone contains msg if {
	some resource in input.plan.resources
	resource.sensitivity == "secret"
	msg := sprintf("red: %s is secret", [resource.name])
}

zone := "red" if {
	some why in why_zone
	startswith(why, "red")
} else := "yellow" if {
	count(why_zone) > 0
} else := "green"

obligations contains "second_factor" if {
	destructive
	production
}

obligations contains "two_people" if zone == "red"

obligations contains "isolated" if input.action.name in data.settings.isolated

decision := {
	"allow": allow,
	"zone": zone,
	"reasons": reasons,
	"why_zone": why_zone,
	"obligations": obligations,
}
