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
	some set in input.call.args.datasets
	set.use == "training"
	not set.encrypted
}

marked(thing, wanted) if {
	some name, value in wanted
	thing.labels[name] == value
}

# The attribute that the table names is set, or another thing of the change encrypts this one.
encrypted(thing) if {
	value := thing.after[data.training.stores[thing.type]]
	not value in ["", false, [], "false"]
}

encrypted(thing) if {
	some other in live
	other.type == data.training.companions[thing.type]
	other.after.bucket == thing.after.bucket
}

encrypted(thing) if {
	some other in live
	other.at == concat(".", [data.training.companions[thing.type], split(thing.at, ".")[1]])
}

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

protected(thing) if thing.before.deletion_protection == true

red contains [21, "delete.quorum", sprintf("%s is deleted", [thing.at]), data.approvals.destructive.quorum, data.approvals.destructive.factor] if {
	strict
	some thing in gone
}
