# Who may come in: nothing is opened to the whole internet, or to most of it.
package flyball.change

import rego.v1

deny contains [66, "ingress.open", sprintf("%s lets %v in", [thing.at, source]), 0, "none"] if {
	some [thing, source] in sources
	wide(source)
}

red contains [28, "ingress.balancer", sprintf("%s is a load balancer that lets everybody in", [thing.at]), 1, "none"] if {
	some thing in live
	names_any(thing, ["LoadBalancer"])
	walk(thing.after, [_, service])
	some key in ["type", "value"]
	service[key] == "LoadBalancer"
	every name in ["loadBalancerSourceRanges", "load_balancer_source_ranges"] {
		count(object.get(service, name, [])) == 0
	}
}

red contains [28, "ingress.policy", sprintf("%s is a network policy that lets everybody in", [thing.at]), 1, "none"] if {
	some thing in live
	thing.type in ["NetworkPolicy", "kubernetes_network_policy", "kubernetes_network_policy_v1"]
	some path in [["ingress"], ["spec", 0, "ingress"]]
	some rule in object.get(thing.after, path, [])
	count([peer | some peer in object.get(rule, "from", []); count(peer) > 0]) == 0
}

red contains [28, "ingress.public", sprintf("%s is there for everybody", [thing.at]), 1, "none"] if {
	some thing in live
	strings.any_prefix_match(thing.small, data.ingress.public)
}

# The API of a cluster is for everybody, unless it is private or names ranges of addresses.
red contains [28, "ingress.endpoint", sprintf("%s lets everybody reach its API, or does not say yet whom", [thing.at]), 1, "none"] if {
	some thing in live
	cluster := data.ingress.clusters[thing.type]
	not private(thing)
	count([range | some path in cluster.ranges; some range in spread(object.get(thing.after, path, []))]) == 0
}

private(thing) if {
	some [path, value] in data.ingress.clusters[thing.type].private
	object.get(thing.after, path, "") == value
}

# A network ACL knows no connections, so answers have to come in as well, but they come to high ports.
red contains [28, "ingress.acl", sprintf("%s lets %s through to ports that are listened on", [thing.at, range]), 1, "none"] if {
	some [thing, rule] in acl_rules
	not outward(rule)
	not answers(rule)
	given := [range | some name in ["cidr_block", "ipv6_cidr_block"]; range := rule[name]; range != ""]
	some range in array.concat(given, ["somebody who is not named yet" | count(given) == 0])
	wide(range)
}

acl_rules contains [thing, thing.after] if {
	some thing in live
	thing.type == "aws_network_acl_rule"
}

acl_rules contains [thing, rule] if {
	some thing in live
	thing.type in ["aws_network_acl", "aws_default_network_acl"]
	some rule in thing.after.ingress
}

answers(rule) if {
	sprintf("%v", [rule.protocol]) in ["tcp", "udp", "6", "17"]
	rule.from_port >= data.ingress.answers_from
}

# Most things name no ranges, and are not walked through.
exposed := [thing | some thing in live; ranged(thing)]

ranged(thing) if names_any(thing, data.ingress.ranges)

ranged(thing) if names_any(thing, object.keys(data.ingress.blocks))

ranges(path, rule) := array.concat(
	[range | some name in data.ingress.ranges; some range in spread(rule[name]); not is_object(range); range != ""],
	[range | some block, name in data.ingress.blocks; block in path; range := rule[name]],
)

spread(value) := value if is_array(value)

spread(value) := [value] if not is_array(value)

# Each thing with each range of addresses that it lets in: a rule for what comes in, wherever it stands,
sources contains [thing, range] if {
	some thing in exposed
	walk(thing.after, [path, rule])
	"ingress" in path
	some range in ranges(path, rule)
}

# anything else that does not say that it is for what goes out,
sources contains [thing, range] if {
	some thing in exposed
	not contains(thing.type, "egress")
	not outward(thing.after)
	walk(thing.after, [path, rule])
	not aside(thing, path)
	not outward(rule)
	some range in ranges(path, rule)
}

# the API of a cluster,
sources contains [thing, range] if {
	some thing in live
	cluster := data.ingress.clusters[thing.type]
	not private(thing)
	some path in cluster.ranges
	some range in spread(object.get(thing.after, path, []))
	not is_object(range)
}

# all addresses between two that have not even their beginning in common,
sources contains [thing, sprintf("%s to %s", [from, to])] if {
	some thing in live
	some [first, last] in [["start_ip_address", "end_ip_address"], ["start_ip", "end_ip"]]
	from := thing.after[first]
	to := thing.after[last]
	split(from, ".")[0] != split(to, ".")[0]
}

# or a firewall that names nobody, which means everybody.
sources contains [thing, "everybody"] if {
	some thing in live
	thing.type == "google_compute_firewall"
	not outward(thing.after)
	every name in ["source_ranges", "source_tags", "source_service_accounts"] {
		count(object.get(thing.after, name, [])) == 0
		not awaited(thing, name)
	}
}

# What goes out, where packets are sent, and a filter in front of what is public.
aside(_, path) if {
	some name in ["egress", "route"]
	name in path
}

aside(thing, path) if {
	"config" in path
	contains(thing.type, "security_policy")
}

outward(rule) if lower(rule.direction) in ["egress", "outbound"]

outward(rule) if rule.type == "egress"

outward(rule) if lower(rule.access) == "deny"

outward(rule) if lower(rule.action) == "deny"

outward(rule) if lower(rule.rule_action) == "deny"

outward(rule) if rule.egress == true

outward(rule) if {
	is_array(rule.deny)
	count(rule.deny) > 0
}

wide(range) if not is_string(range)

wide(range) if {
	is_string(range)
	broad(range)
}

# The address of nothing means everything, whatever way it is spelt.
broad(range) if regex.match(`^[0.:]+$`, range)

broad(range) if {
	regex.match(`^[0-9.]+/[0-9]+$`, range)
	to_number(split(range, "/")[1]) < data.ingress.least_v4
}

broad(range) if {
	regex.match(`^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*/[0-9]+$`, range)
	to_number(split(range, "/")[1]) < data.ingress.least_v6
}

# What is neither an address nor a name that the table knows could be anything.
broad(range) if {
	not regex.match(`^[0-9a-fA-F.:]+(/[0-9]+)?$`, range)
	not range in data.ingress.names
}
