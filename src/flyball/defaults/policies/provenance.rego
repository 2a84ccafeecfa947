# Where a value came from. Text that nobody vouches for never decides where a change goes: an argument that
# is a sink needs the kind's integrity, or an endorsement by a named validator or a person.
package flyball

import rego.v1

integrity_rank := {"observed": 0, "system": 1, "config": 2, "principal": 3}

trusted contains sink if {
	some sink in input.kind.sinks
	integrity_rank[input.provenance[sink].integrity] >= integrity_rank[input.kind.min_integrity]
}

trusted contains sink if {
	some sink in input.kind.sinks
	input.provenance[sink].endorsed
}

untrusted contains sink if {
	some sink in input.kind.sinks
	not sink in trusted
}

deny contains [30, "provenance.missing", sprintf("nothing says where %s came from", [sink]), 0, "none"] if {
	some sink in input.kind.sinks
	not input.provenance[sink]
}

deny contains [31, "provenance.irreversible", sprintf("%s is untrusted and the action cannot be put back", [sink]), 0, "none"] if {
	some sink in untrusted
	not put_back
}

put_back if {
	input.kind.reversible
	not input.kind.destructive
}

red contains [10, "provenance.sink", sprintf("%s comes from untrusted text and decides where this goes", [sink]), data.approvals.untrusted.quorum, "none"] if {
	some sink in untrusted
}

deny contains [32, "provenance.secret", sprintf("%s is secret and would leave the machine", [pointer]), 0, "none"] if {
	input.kind.egress
	some pointer, label in input.provenance
	label.secrecy == "secret"
}
