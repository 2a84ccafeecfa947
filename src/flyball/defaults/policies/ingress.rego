# Who may come in: nothing is opened to the whole internet, or to most of it.
package flyball.change

import rego.v1

deny contains [66, "ingress.open", sprintf("%s lets %s in", [thing.at, source]), 0, "none"] if {
	some [thing, source] in sources
	wide(source)
}

red contains [28, "ingress.balancer", sprintf("%s is a load balancer that lets everybody in", [thing.at]), 1, "none"] if {
	some thing in live
	thing.after.type == "LoadBalancer"
	not thing.after.loadBalancerSourceRanges
}

range_names := ["cidr_blocks", "ipv6_cidr_blocks", "source_ranges", "source_address_prefixes", "loadBalancerSourceRanges"]

range_name := ["cidr_ipv4", "cidr_ipv6", "source_address_prefix"]

ranges(rule) := array.concat(
	[range | some name in range_names; some range in rule[name]],
	[range | some name in range_name; range := rule[name]],
)

# Each thing with each range of addresses that it lets in: a security group with its rules inside it, or a call that says `ingress`,
sources contains [thing, range] if {
	some thing in live
	some rule in thing.after.ingress
	some range in ranges(rule)
}

# a rule of its own,
sources contains [thing, range] if {
	some thing in live
	not contains(thing.type, "egress")
	inward(thing.after)
	some range in ranges(thing.after)
}

# one of several rules,
sources contains [thing, range] if {
	some thing in live
	some rule in thing.after.security_rule
	inward(rule)
	some range in ranges(rule)
}

# or a network policy.
sources contains [thing, peer.ipBlock.cidr] if {
	some thing in live
	some rule in thing.after.ingress
	some peer in rule.from
}

# It lets in unless it says that it is for what goes out, or that it refuses.
inward(rule) if {
	not lower(object.get(rule, "direction", "")) in ["egress", "outbound"]
	not object.get(rule, "type", "") == "egress"
	not lower(object.get(rule, "access", "")) == "deny"
	not count(object.get(rule, "deny", [])) > 0
}

wide(range) if lower(range) in data.ingress.world

wide(range) if {
	regex.match(`^[0-9.]+/[0-9]+$`, range)
	to_number(split(range, "/")[1]) < data.ingress.least_v4
}

wide(range) if {
	regex.match(`^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]+$`, range)
	to_number(split(range, "/")[1]) < data.ingress.least_v6
}

# What is neither an address nor a name that the table knows could be anything.
wide(range) if {
	not regex.match(`^[0-9a-fA-F.:]+(/[0-9]+)?$`, range)
	not range in data.ingress.names
}
