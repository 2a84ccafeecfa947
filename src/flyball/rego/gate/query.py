"""A query: lines that are asked about a set of policies. Checked as a body of a rule is. Called by `planner`."""

from flyball.rego.gate import call, name, safety, scope
from flyball.rego.gate.note import Notes
from flyball.rego.gate.show import plain
from flyball.rego.gate.trie import Node
from flyball.rego.gate.walk import body_variables
from flyball.rego.tree import Body, Rule, Term, Var


def checked(query: Body, root: Node) -> tuple[Body, list[tuple[str, Term]]]:
    """The lines in order, and the variables that each answer holds, by name.

    Raises:
        Refused: the query has mistakes.
    """
    notes = Notes()
    place = query[0].place if query else Var("").place
    rule = name.Resolver({}, notes, scope.Maker()).query(Rule(Var("query", place), body=query, place=place))
    notes.settle()
    call.check([rule], root, notes)
    notes.settle()
    (rule,) = safety.order([rule], root, notes)
    notes.settle()
    found = sorted(one for one in body_variables(rule.body) if not one.startswith("$"))
    return rule.body, [(plain(one), Var(one, place)) for one in found]
