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
	some class, gpu in data.gpus
	strings.any_prefix_match(thing.small, gpu.names)
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

# How many nodes there were and will be, wherever a thing says it. A count that was not there before was 0.
jumps contains [thing, object.get(thing.before, array.concat(path, [name]), 0), block[name]] if {
	some thing in live
	counts(thing)
	walk(thing.after, [path, block])
	is_object(block)
	some name in array.concat(data.scale.alone, summed(thing.type))
	a_count(name, block[name])
}

counts(thing) if names_any(thing, data.scale.counts)

counts(thing) if names_any(thing, data.scale.alone)

counts(thing) if data.scale.counts_of[thing.type]

# A list or a block of that name is something else, and some providers write a number of copies as a text.
a_count(_, value) if is_number(value)

a_count(name, value) if {
	not name in data.scale.alone
	not is_array(value)
	not is_object(value)
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
	predicted([{"type": node_type(thing), "more": to - was}]),
]), 1, "none"] if {
	some [thing, was, to] in jumps
	is_number(was)
	is_number(to)
	steep(was, to)
}

# What is harmless one by one adds up: the nodes that one `count` or `for_each` makes, and those of the whole change.
red contains [26, "scale.sum", sprintf("%s goes from %d to %d nodes in all: predicted cost %s", [
	name,
	was,
	was + more,
	predicted([node | some node in nodes; node.more > 0]),
]), 1, "none"] if {
	some name, nodes in fleets
	count(nodes) > 1
	was := sum([node.was | some node in nodes])
	more := sum([node.more | some node in nodes])
	steep(was, was + more)
}

fleets[node.fleet] contains node if some node in nodes

fleets["the change"] contains node if {
	count({one.fleet | some one in nodes}) > 1
	some node in nodes
}

# How many nodes each thing is or holds, whether it changes or not, if its kind is one that does. What goes away makes no room: for a while both are there.
nodes contains {"at": thing.at, "fleet": thing.fleet, "type": node_type(thing), "was": was, "more": max([0, to - was])} if {
	some thing in array.concat(planned, manifests)
	thing.type in growing
	was := size(thing, thing.before, ["no-op", "update", "delete"])
	to := size(thing, thing.after, ["no-op", "update", "create", "apply"])
	was + to > 0
}

growing contains thing.type if {
	some thing in live
	thing.type in data.scale.machines
}

growing contains thing.type if some [thing, _, _] in jumps

default size(_, _, _) := 0

size(thing, attributes, verbs) := max([whole, sum(parts)]) if {
	some verb in thing.verbs
	verb in verbs
	whole := count([type | some type in data.scale.machines; type == thing.type])
	parts := [max(numbers) |
		walk(attributes, [_, block])
		is_object(block)
		numbers := [block[name] | some name in summed(thing.type); is_number(block[name])]
		count(numbers) > 0
	]
}

summed(type) := array.concat(data.scale.counts, object.get(data.scale.counts_of, type, []))

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

predicted(nodes) := sprintf("%v %s an hour more", [money(sum(costs)), data.scale.currency]) if {
	costs := [cost | some node in nodes; cost := node.more * data.prices[node.type]]
	count(costs) == count(nodes)
}

predicted(nodes) := sprintf("unknown, the table `prices` has no %s", [min(unpriced)]) if {
	unpriced := [node.type | some node in nodes; not data.prices[node.type]]
	count(unpriced) > 0
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
