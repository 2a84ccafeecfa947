# What costs: GPUs, and many nodes at once. A person is asked with the predicted cost before them.
package flyball.change

import rego.v1

# Each thing with each class of GPU that it names. A text counts if it begins with one of the class's names, case aside; `other`
# counts where no class names the thing.
gpus contains [thing, class] if {
	some [thing, class] in named
	class != "other"
}

gpus contains [thing, "other"] if {
	some [thing, "other"] in named
	count([class | some [same, class] in named; same == thing]) == 1
}

named contains [thing, class] if {
	some thing in live
	texts := split(lower(json.marshal(thing.after)), `"`)
	some class, gpu in data.gpus
	strings.any_prefix_match(texts, gpu.names)
}

deny contains [61, "gpu.environment", sprintf("%s uses %s GPUs, which are for production only, and %s is not production", [
	thing.at,
	upper(class),
	input.target.env,
]), 0, "none"] if {
	some [thing, class] in gpus
	data.gpus[class].production
	not production
}

red contains [25, "gpu.ask", sprintf("%s uses %s GPUs: predicted cost %v %s an hour for each", [
	thing.at,
	upper(class),
	money(data.gpus[class].micros_h),
	data.scale.currency,
]), 1, "none"] if {
	some [thing, class] in gpus
}

# How many nodes there were and will be. A count that was not there before was 0.
jumps contains [thing, object.get(thing.before, name, 0), thing.after[name]] if {
	some thing in live
	some name in data.scale.counts
}

jumps contains [thing, object.get(thing.before, [block, place, name], 0), inner[name]] if {
	some thing in live
	some block in data.scale.blocks
	some place, inner in thing.after[block]
	some name in data.scale.counts
}

jumps contains [thing, thing.after.scale.was, thing.after.scale.to] if some thing in live

# A count that is no number would never be steep.
red contains [27, "scale.unreadable", sprintf("%s has a number of nodes that is no number", [thing.at]), 1, "none"] if {
	some [thing, was, to] in jumps
	some nodes in [was, to]
	not is_number(nodes)
}

red contains [26, "scale.jump", sprintf("%s goes from %d to %d nodes: predicted cost %s", [
	thing.at,
	was,
	to,
	predicted(thing, to - was),
]), 1, "none"] if {
	some [thing, was, to] in jumps
	is_number(was)
	is_number(to)
	steep(was, to)
}

deny contains [62, "scale.unknown", "it does not say how many nodes there were and will be", 0, "none"] if {
	input.call.args.scale
	not counted
}

counted if {
	is_number(input.call.args.scale.was)
	is_number(input.call.args.scale.to)
}

steep(was, to) if to - was > data.scale.step

steep(was, to) if {
	was > 0
	to > was * data.scale.factor
}

predicted(thing, more) := sprintf("%v %s an hour more", [money(more * data.prices[node]), data.scale.currency]) if {
	node := node_type(thing)
	data.prices[node]
}

predicted(thing, _) := sprintf("unknown, the table `prices` has no %s", [node_type(thing)]) if {
	not data.prices[node_type(thing)]
}

# The first path at which one stands.
node_type(thing) := types[0] if {
	types := node_types(thing)
	count(types) > 0
}

node_type(thing) := "entry for a node of unknown type" if count(node_types(thing)) == 0

node_types(thing) := [name |
	some path in data.scale.types
	name := object.get(thing.after, path, "")
	is_string(name)
	name != ""
]

money(micros) := round(micros / 10000) / 100
