# What a plan knows only after the change. A person is asked where a rule would have looked at it, and nowhere else.
package flyball.change

import rego.v1

red contains [29, "change.unknown", sprintf("%s: %s is known only after the change", [thing.at, name]), 1, "none"] if {
	some thing in live
	walk(object.get(thing, "unknown", {}), [path, true])
	some place, name in path
	block := array.slice(path, 0, place)
	decisive(thing, block, name, array.slice(path, place + 1, count(path)))
	not harmless(thing, block, name)
	not chosen(thing, block, name)
}

decisive(_, _, name, _) if name in deciding

decisive(_, block, name, _) if {
	some outer in block
	data.ingress.blocks[outer] == name
}

# Of a block only that it is there or not.
decisive(_, _, name, rest) if {
	name in data.unknown_blocks
	count([inner | some inner in rest; is_string(inner)]) == 0
}

decisive(thing, _, name, _) if name in data.scale.counts_of[thing.type]

# Of a machine its type, of anything else how large a disk is.
decisive(thing, [], "size", _) if thing.type in data.scale.machines

# A key that is made in the same change encrypts by the look of it; a switch that is not known yet does not.
decisive(thing, _, name, _) if {
	keyed(thing)
	name == data.training.stores[thing.type]
	marked(thing, data.training.labels)
}

# Labels could turn out to mark training data.
decisive(thing, [], name, rest) if {
	data.training.stores[thing.type]
	name in data.labels
	not name in data.labels_added
	some label, _ in data.training.labels
	some key in array.concat(array.slice(rest, 0, 1), [label | rest == []])
	lower(sprintf("%v", [key])) == lower(label)
	not encrypted(thing)
}

deciding := {name |
	some names in [data.ingress.ranges, data.scale.counts, data.scale.alone, data.unknown]
	some name in names
}

# Who is let out, whom a private API names, rules that stand apart, and GPUs for machines that cannot hold one.
harmless(thing, block, name) if {
	name in data.ingress.ranges
	not "ingress" in block
	some rule in [thing.after, object.get(thing.after, block, {})]
	outward(rule)
}

harmless(thing, _, name) if {
	name in data.ingress.ranges
	contains(thing.type, "egress")
}

harmless(thing, block, name) if {
	name in data.ingress.ranges
	aside(thing, block)
}

harmless(thing, _, name) if {
	some path in data.ingress.clusters[thing.type].ranges
	name in path
	private(thing)
}

harmless(thing, _, name) if {
	name in data.unknown_blocks
	some other in planned
	not "delete" in other.verbs
	other.type in data.ingress.apart[thing.type]
}

harmless(thing, block, "guest_accelerator") if {
	machine := object.get(thing.after, array.concat(block, ["machine_type"]), "n1-")
	not startswith(machine, "n1-")
}

# Nobody sets it and so its provider chooses: the configuration in the plan knows the thing, and sets other attributes of the same
# block, or none. It does not show what a `dynamic` block makes: then there are more blocks than it knows of.
chosen(thing, block, name) if {
	not name in data.unknown_blocks
	not templated(thing, name)
	count(configured[thing.fleet]) == 1
	some said in configured[thing.fleet]
	held := object.get(said, block, "")
	is_object(held)
	not held[name]
	every outer in array.slice(block, 0, 1) {
		count(said[outer]) == count(thing.after[outer])
	}
	count(block) < 3
}

# A type of machine that is not set comes from the template.
templated(thing, name) if {
	name in data.unknown
	some template in ["launch_template", "source_instance_template"]
	count(object.get(thing.after, template, [])) > 0
}

templated(thing, name) if {
	name in data.unknown
	thing.unknown.source_instance_template == true
}

# What the configuration says of each thing, by its name without an index.
configured[at] contains object.get(one, "expressions", {}) if {
	walk(input.call.args.plan.configuration.root_module, [path, one])
	path[count(path) - 2] == "resources"
	modules := [sprintf("module.%s", [path[place + 1]]) | some place, "module_calls" in path; place % 3 == 0]
	at := concat(".", array.concat(modules, [one.address]))
}

awaited(thing, name) if {
	true in spread(thing.unknown[name])
	not chosen(thing, [], name)
}

keyed(thing) if {
	name := data.training.stores[thing.type]
	endswith(name, "_id")
	awaited(thing, name)
}
