# What a change would bring about, whoever makes it: an agent's call and a file of a person meet the same rules.
# `flyball policy check --input-format` asks `flyball.change.answer` about a file; the door asks it by `flyball.answer`.
#
# These rules read `input.call.args` by shape, whatever the kind:
#   plan       what `terraform show -json` prints
#   manifests  a list of Kubernetes objects
#   scale      {was, to, type}: how many nodes of which type
#   datasets   a list of {name, use, encrypted}; use is training, retrieval or anything else
#   index      {name, region, datasets}: a retrieval index and the names of what it is made of
#   and everything beside these as one thing that is set up: `ingress`, `instance_type`, `labels`, ...
package flyball.change

import rego.v1

# A thing is what a change touches: at = its name, fleet = the name without the index that `count` or `for_each` gave it,
# verbs = what happens to it, before and after = its attributes, labels = each set of them.
things := array.concat(array.concat(planned, manifests), [{
	"at": input.target.name,
	"fleet": input.target.name,
	"type": input.kind.name,
	"verbs": ["apply"],
	"labels": labels(input.call.args),
	"before": {},
	"after": object.remove(input.call.args, ["plan", "manifests"]),
}])

planned := [thing |
	some one in input.call.args.plan.resource_changes
	before := object.get(one.change, "before", {})
	after := object.get(one.change, "after", {})
	thing := {
		"at": one.address,
		"fleet": unindexed(one.address),
		"type": one.type,
		"verbs": one.change.actions,
		"labels": array.concat(labels(before), labels(after)),
		"before": before,
		"unknown": object.get(one.change, "after_unknown", {}),
		"after": after,
	}
]

unindexed(at) := at if not contains(at, "[")

unindexed(at) := regex.replace(at, `\[("([^"\\]|\\.)*"|[0-9]+)\]`, "") if contains(at, "[")

# Some providers call a list of names `tags`: that is no set of labels.
labels(attributes) := [held |
	some name in data.labels
	held := attributes[name]
	is_object(held)
]

manifests := [thing |
	some one in input.call.args.manifests
	name := sprintf("%s/%s", [one.kind, object.get(one, ["metadata", "name"], "")])
	thing := {
		"at": name,
		"fleet": name,
		"type": one.kind,
		"verbs": ["apply"],
		"labels": labels(object.get(one, "metadata", {})),
		"before": {},
		"after": object.union_n([
			object.remove(one, ["apiVersion", "kind", "metadata", "spec", "status", "data", "stringData", "binaryData"]),
			object.get(one, "spec", {}),
			{"annotations": object.get(one, ["metadata", "annotations"], {})},
		]),
	}
]

# What there is or will be, and what a text in it holds that is a document itself, such as the values of a chart.
live := array.concat(changed, [worded(object.union(object.remove(thing, ["after"]), {"after": inner})) |
	some thing in changed
	names_any(thing, data.documents)
	walk(thing.after, [path, text])
	is_string(text)
	some name in array.slice(path, count(path) - 2, count(path))
	name in data.documents
	yaml.is_valid(text)
	inner := yaml.unmarshal(text)
	is_object(inner)
])

changed := [worded(thing) |
	some thing in things
	some verb in ["apply", "create", "update"]
	verb in thing.verbs
]

# Words are all texts in a thing. Small ones are in small letters, with a full stop after each, and hold what follows `types/` too.
worded(thing) := object.union(thing, {
	"words": split(text, `"`),
	"small": array.concat(split(small, `"`), split(small, "types/")),
}) if {
	text := json.marshal(thing.after)
	small := replace(lower(text), `"`, `."`)
}

names_any(thing, names) if strings.any_prefix_match(thing.words, names)

gone := [thing |
	some thing in things
	"delete" in thing.verbs
]

deny contains [60, "change.unreadable", "the plan is not what `terraform show -json` prints", 0, "none"] if {
	input.call.args.plan
	not readable
}

deny contains [60, "change.unreadable", "the manifests are not Kubernetes objects", 0, "none"] if {
	input.call.args.manifests
	not legible
}

# A list of objects within the list would hide them.
legible if {
	count(manifests) == count(input.call.args.manifests)
	every one in input.call.args.manifests {
		not one.items
	}
}

readable if {
	count(planned) == count(input.call.args.plan.resource_changes)
	every thing in planned {
		is_array(thing.verbs)
		count(thing.verbs) > 0
		every verb in thing.verbs {
			verb in ["no-op", "create", "read", "update", "delete", "forget"]
		}
	}
}

# Production is what the table calls so by name. Where being production is the stricter side, an unknown environment counts as it.
production if input.target.env in data.production

strict if not relaxed

relaxed if data.environments[input.target.env] == "other"

# The answer about a file: the same findings, with nothing of an agent, a grant or a kind in them. No answer denies.
answer := {
	"effect": "deny",
	"zone": "red",
	"reason": reasons(deny),
	"rule": min(deny)[1],
	"approvers": {"group": group, "quorum": 1, "factor": "none"},
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
	"approvers": {"group": group, "quorum": max([finding[3] | some finding in red]), "factor": factor},
	"obligations": [],
	"constraints": {},
} if {
	count(deny) == 0
	count(red) > 0
}

answer := {
	"effect": "allow",
	"zone": "green",
	"reason": sprintf("no rule objects to %d changes", [count(things) - 1]),
	"rule": "change.fine",
	"approvers": {"group": group, "quorum": 1, "factor": "none"},
	"obligations": [],
	"constraints": {},
} if {
	count(deny) == 0
	count(red) == 0
}

reasons(findings) := concat("; ", [finding[2] | some finding in sort(findings)])

group := data.approvals.group.prod

default factor := "none"

factor := data.approvals.destructive.factor if {
	some finding in red
	finding[4] == data.approvals.destructive.factor
}
