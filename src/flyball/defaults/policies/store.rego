# What is kept: training data is encrypted at rest, an index holds only what its region may hold, and what is protected stays.
package flyball.change

import rego.v1

deny contains [63, "training.encrypted", sprintf("%s holds training data and is not encrypted at rest", [thing.at]), 0, "none"] if {
	some thing in live
	data.training.stores[thing.type]
	marked(thing, data.training.labels)
	not encrypted(thing)
}

deny contains [63, "training.encrypted", sprintf("the dataset %s is for training and is not encrypted at rest", [set.name]), 0, "none"] if {
	some set in datasets
	lower(set.use) == "training"
	not set.encrypted == true
}

deny contains [63, "training.unreadable", "`datasets` is no list of things with a name and a use", 0, "none"] if not clear

deny contains [63, "training.unreadable", "it does not say which datasets the training is done with", 0, "none"] if {
	input.kind.name == "training.start"
	not input.call.args.datasets
}

deny contains [63, "training.encrypted", sprintf("%s holds training data and its disks are not encrypted at rest", [thing.at]), 0, "none"] if {
	some thing in live
	some name in data.training.disks
	some disk in thing.after[name]
	not disk.encrypted == true
	marked(thing, data.training.labels)
}

clear if {
	is_array(datasets)
	every set in datasets {
		is_string(set.name)
		is_string(set.use)
	}
}

datasets := object.get(input.call.args, "datasets", [])

# One label is enough, before or after, however its letters are written: a change does not take away what it is judged by.
marked(thing, wanted) if {
	some name, value in wanted
	some labels in thing.labels
	some key, held in labels
	lower(key) == lower(name)
	lower(sprintf("%v", [held])) == lower(value)
}

# The attribute that the table names is set, or another thing of the change encrypts this one.
encrypted(thing) if {
	value := thing.after[data.training.stores[thing.type]]
	not lower(sprintf("%v", [value])) in ["", "false", "no", "off", "none", "0", "[]", "{}"]
	not switched_off(value)
}

switched_off(value) if {
	walk(value, [_, inner])
	inner.enabled == false
}

encrypted(thing) if {
	some other in live
	other.type == data.training.companions[thing.type]
	other.after.bucket == thing.after.bucket
}

encrypted(thing) if {
	some other in live
	other.at != thing.at
	other.at == replace(thing.at, concat("", [thing.type, "."]), concat("", [data.training.companions[thing.type], "."]))
	object.get(other.after, "bucket", "") in ["", object.get(thing.after, "bucket", "")]
}

# Which bucket it is may be known after the change only, but the configuration names it.
encrypted(thing) if {
	some other in live
	other.type == data.training.companions[thing.type]
	some said in configured[other.fleet]
	some named in said.bucket.references
	parts := split(other.fleet, ".")
	thing.at == concat(".", array.concat(array.slice(parts, 0, count(parts) - 2), [named]))
}

# A person is asked about a key that is made in the same change.
encrypted(thing) if keyed(thing)

deny contains [64, "retrieval.region", sprintf("the dataset %s is not approved for an index in %s", [name, region]), 0, "none"] if {
	some name in input.call.args.index.datasets
	region := object.get(input.call.args.index, "region", "no region")
	not approved(name, region)
}

approved(name, region) if region in data.datasets[name].regions

deny contains [64, "retrieval.region", "it does not say which datasets the index is made of", 0, "none"] if {
	input.call.args.index
	not listed
}

deny contains [64, "retrieval.region", "it does not say which index is built", 0, "none"] if {
	input.kind.name == "index.build"
	not input.call.args.index
}

listed if is_array(input.call.args.index.datasets)

deny contains [65, "delete.protected", sprintf("%s is protected: it is not deleted", [thing.at]), 0, "none"] if {
	strict
	some thing in gone
	protected(thing)
}

deny contains [65, "delete.protected", sprintf("%s is protected: it is not deleted", [input.target.name]), 0, "none"] if {
	input.kind.destructive
	input.target.name in data.protected.targets
}

protected(thing) if thing.type in data.protected.types

protected(thing) if marked(thing, data.protected.labels)

protected(thing) if {
	some name in data.protected.attributes
	thing.before[name] in [true, "true"]
}

red contains [21, "delete.quorum", sprintf("%s is deleted", [thing.at]), data.approvals.destructive.quorum, data.approvals.destructive.factor] if {
	strict
	some thing in gone
}

# Else a change of its own would take the protection away, and the next one the thing.
red contains [22, "delete.unprotected", sprintf("%s is no longer protected", [thing.at]), 1, "none"] if {
	strict
	some thing in live
	protected(thing)
	not thing.type in data.protected.types
	not protected(object.union(thing, {"before": thing.after, "labels": labels(thing.after)}))
}
