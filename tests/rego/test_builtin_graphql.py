"""GraphQL: the rules that the conformance suite does not ask, documents of hostile size, and arbitrary trees."""

import copy
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.builtin import TABLE
from flyball.rego.error import BuiltinFault, OperandFault, OverLimit

SCHEMA = """
schema { query: Query subscription: Feed }
directive @once on FIELD
directive @often(n: Int!) repeatable on FIELD
interface Being { name: String! friends(first: Int = 3): [Being] }
type Human implements Being { name: String! friends(first: Int = 3): [Being] height(unit: Unit = METER): Float }
type Droid implements Being { name: String! friends(first: Int = 3): [Being] model: String serial: Int }
union Found = Human | Droid
enum Unit { METER FOOT }
scalar Date
input Point { x: Int! y: Int = 0 label: [String!] }
type Query { hero: Being find(at: Point!, on: Date, near: [Point]): [Found!] human(id: ID!, tall: Boolean): Human count: Int }
type Feed { news: String more: String }
"""


def call(name: Any, *operands: Any) -> Any:
    return TABLE[name].call(*operands)


GOOD = [
    "{ hero { name ... on Droid { model } ... on Human { height(unit: FOOT) } } }",
    "query A { count } query B { count }",
    "query Q($p: Point!, $d: Date) { find(at: $p, on: $d) { ... on Being { name } } }",
    "query Q($x: Int = 4) { find(at: {x: $x}) { __typename } }",
    'query Q($l: [String!]) { find(at: {x: 1, label: $l}, on: {anything: ["goes", 1.5]}) { __typename } }',
    "{ hero { ...a } } fragment a on Being { name friends { name } }",
    "subscription { news }",
    "{ a: count b: count count @often(n: 1) @often(n: 2) }",
    '{ __schema { types { name } } __type(name: "Q") { kind fields(includeDeprecated: true) { name } } }',
    "{ hero { ... on Human { v: height } ... on Droid { v: name } } }".replace("v: name", "w: name"),
    "{ find(at: {x: 1}, near: [{x: 1}, null]) { ... on Human { name } } }",
    '{ find(at: {x: 1, label: ["""block""", "plain"]}) { __typename } }',
    "query Q($b: Boolean!) { count @include(if: $b) @skip(if: false) }",
]
BAD = [
    ("{ nothing }", 'Cannot query field "nothing" on type "Query"'),
    ("{ hero }", 'Field "hero" of type "Being" must have a selection of subfields'),
    ("{ count { __typename } }", 'Field "count" must not have a selection since type "Int" has no subfields'),
    ("{ human { name } }", 'Field "human" argument "id" of type "ID!" is required, but it was not provided'),
    ("{ human(id: 1, who: 2) { name } }", 'Unknown argument "who" on field "Query.human"'),
    ("{ human(id: 1, id: 2) { name } }", 'There can be only one argument named "id"'),
    ("{ count @nope }", 'Unknown directive "@nope"'),
    ("query @once { count }", 'Directive "@once" may not be used on QUERY'),
    ("{ count @once @once }", 'The directive "@once" can only be used once at this location'),
    ("{ count @often }", 'Directive "@often" argument "n" of type "Int!" is required'),
    ("{ count @often(n: 1, m: 2) }", 'Unknown argument "m" on directive "@often"'),
    ("{ ...x }", 'Unknown fragment "x"'),
    ("{ count } fragment x on Query { count }", 'Fragment "x" is never used'),
    ("{ ...x } fragment x on Query { count } fragment x on Query { count }", 'only one fragment named "x"'),
    ("{ ...x } fragment x on Query { ...y } fragment y on Query { ...x }", 'Cannot spread fragment "x" within itself via "y"'),
    ("{ ...x } fragment x on Query { ...x }", 'Cannot spread fragment "x" within itself'),
    ("{ ...x } fragment x on Nope { count }", 'Unknown type "Nope"'),
    ("{ ...x } fragment x on Unit { __typename }", 'Fragment "x" cannot condition on non composite type "Unit"'),
    ("{ ... on Date { __typename } }", 'Fragment cannot condition on non composite type "Date"'),
    ("{ ... on Human { name } }", 'objects of type "Query" can never be of type "Human"'),
    ("{ ...x } fragment x on Human { name }", 'Fragment "x" cannot be spread here'),
    ("query A { count } query A { count }", 'There can be only one operation named "A"'),
    ("{ count } query A { count }", "This anonymous operation must be the only defined operation"),
    ("mutation { count }", 'Schema does not support operation type "mutation"'),
    ("subscription S { news more }", 'Subscription "S" must select only one top level field'),
    ("query Q($a: Int) { count }", 'Variable "$a" is never used in operation "Q"'),
    ("query Q { human(id: $a) { name } }", 'Variable "$a" is not defined by operation "Q"'),
    ("query Q($a: ID!, $a: ID!) { human(id: $a) { name } }", 'There can be only one variable named "$a"'),
    ("query Q($a: Human) { human(id: $a) { name } }", 'of type "Human" used in position expecting type "ID!"'),
    ("query Q($a: Nope) { human(id: $a) { name } }", 'Unknown type "Nope"'),
    ("query Q($a: ID) { human(id: $a) { name } }", 'Variable "$a" of type "ID" used in position expecting type "ID!"'),
    ("{ human(id: 1.5) { name } }", "ID cannot represent a non-string and non-integer value: 1.5"),
    ("{ human(id: null) { name } }", 'Expected value of type "ID!", found null'),
    ("{ human(id: [1]) { name } }", "ID cannot represent a non-string and non-integer value: [1]"),
    ('{ human(id: 1, tall: "yes") { name } }', 'Boolean cannot represent a non boolean value: "yes"'),
    ("{ hero { friends(first: 99999999999999999999) { name } } }", "Int cannot represent non-integer value: 99999999999999999999"),
    ("{ hero { friends(first: true) { name } } }", "Int cannot represent non-integer value: true"),
    ('{ hero { ... on Human { height(unit: "FOOT") } } }', 'Enum "Unit" cannot represent non-enum value: "FOOT"'),
    ("{ hero { ... on Human { height(unit: YARD) } } }", 'Value "YARD" does not exist in "Unit" enum'),
    ("{ find(at: {}) { __typename } }", 'Field "Point.x" of required type "Int!" was not provided'),
    ("{ find(at: {x: 1, z: 2}) { __typename } }", 'Field "z" is not defined by type "Point"'),
    ("{ find(at: {x: 1, x: 2}) { __typename } }", 'There can be only one input field named "x"'),
    ("{ find(at: 7) { __typename } }", 'Expected value of type "Point!", found 7'),
    (
        "{ a: count a: __typename }",
        'Fields "a" conflict because "count" and "__typename" are different fields'.replace("__typename", "human"),
    ),
    ("{ hero { friends(first: 1) { name } friends(first: 2) { name } } }", "they have differing arguments"),
    ("{ hero { ... on Human { v: height } ... on Droid { v: serial } } }", 'conflicting types "Float" and "Int"'),
    ("{ h: hero { n: name } ...x } fragment x on Query { h: hero { n: __typename friends { name } } }", ""),
]
BAD = [(text.replace("a: __typename", "a: human(id: 1) { name }") if "a: count a:" in text else text, what) for text, what in BAD if what]


@pytest.mark.parametrize("text", GOOD)
def test_a_query_that_fits_is_valid_as_text_and_as_tree(text: Any) -> None:
    assert call("graphql.is_valid", text, SCHEMA) is True
    query, schema = call("graphql.parse", text, SCHEMA)
    assert query == call("graphql.parse_query", text)
    assert schema == call("graphql.parse_schema", SCHEMA)
    assert call("graphql.parse_and_verify", query, schema) == [True, query, schema]


@pytest.mark.parametrize(("text", "what"), BAD)
def test_a_query_that_does_not_fit_is_told_why(text: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault) as fault:
        call("graphql.parse", text, SCHEMA)
    assert what in str(fault.value)
    assert str(fault.value).startswith("graphql.parse: ")
    assert call("graphql.is_valid", text, SCHEMA) is False
    assert call("graphql.is_valid", call("graphql.parse_query", text), call("graphql.parse_schema", SCHEMA)) is False
    assert call("graphql.parse_and_verify", text, SCHEMA) == [False, {}, {}]


@pytest.mark.parametrize(
    "text",
    [
        "type A { a: B }",
        "type A { a: Int } type A { b: Int }",
        "type A { a: Int a: Int }",
        "type A { __a: Int }",
        "type __A { a: Int }",
        "type A { a(b: A): Int }",
        "type A { a: I } input I { x: Int }",
        "input I { a: I2 } type I2 { x: Int }",
        "enum E { true }",
        "union U = E enum E { A }",
        "scalar Int",
        "schema { query: A } schema { query: A } type A { a: Int }",
        "directive @a on FIELD directive @a on FIELD",
        "directive @a(x: Int @a) on ARGUMENT_DEFINITION",
        "type A @nope { a: Int }",
        "type A @skip(if: true) { a: Int }",
        "extend enum A { X } type A { a: Int }",
        "interface I { a: Int! } type A implements I { a: Int }",
        "interface I { a(x: Int): Int } type A implements I { a: Int }",
        "interface I { a(x: Int): Int } type A implements I { a(x: String): Int }",
        "interface I { a: Int } type A implements I { a(x: Int!): Int }",
        "interface I { a: Int } interface J implements I { a: Int } type A implements J { a: Int }",
        "type I { a: Int } type A implements I { a: Int }",
        "extend type A @deprecated",
    ],
)
def test_a_schema_that_does_not_hold_is_not_valid(text: Any) -> None:
    assert call("graphql.schema_is_valid", text) is False
    with pytest.raises(BuiltinFault):
        call("graphql.parse", "", text)


@pytest.mark.parametrize(
    "text",
    [
        "interface I { a: I } type A implements I { a: A! }",
        "interface I { a: [I] } type A implements I { a: [A!]! b: Int }",
        "interface I { a: Int } interface J implements I { a: Int } type A implements I & J { a: Int }",
        'extend type A { a: Int } "d" enum E { "e" X @deprecated(reason: "old") }',
        "directive @include(if: Boolean!) on FIELD",
        "",
    ],
)
def test_a_schema_that_holds_is_valid(text: Any) -> None:
    assert call("graphql.schema_is_valid", text) is True


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{ f(a: "\\q") }', "Unexpected <Invalid> in GraphQL string at location 1:8"),
        ('{ f(a: "open) }', "Unexpected <Invalid>"),
        ('{ f(a: """open \\""") }', "Unexpected <Invalid>"),
        ("{ f(a: 01) }", "Unexpected <Invalid> in GraphQL string at location 1:9"),
        ("{ f(a: 1.) }", "Unexpected <Invalid>"),
        ("{ f(a: -) }", "Unexpected <Invalid>"),
        ("{ f ; }", "Expected Name, found <Invalid> in GraphQL string at location 1:5"),
        ("{\r\n  f(\r\n", "Expected Name, found <EOF>"),
        ("query ($a: [Int) { f }", "Expected ], found ) in GraphQL string at location 1:16"),
        ("{ f", "Expected Name, found <EOF> in GraphQL string at location 1:4"),
        ("\ufeff # comment\n\n }", "Unexpected } in GraphQL string at location 3:2"),
    ],
)
def test_what_cannot_be_read_is_told_where(text: Any, what: Any) -> None:
    with pytest.raises(BuiltinFault) as fault:
        call("graphql.parse_query", text)
    assert what in str(fault.value)


def test_strings_mean_what_the_spec_says() -> None:
    tree = call("graphql.parse_query", '{ f(a: "\\u00e9\\n\\"", b: """\n    one\n      two \\"""\n  """, c: -1.5e3) }')
    values = [one["Value"] for one in tree["Operations"][0]["SelectionSet"][0]["Arguments"]]
    assert [(one["Kind"], one["Raw"]) for one in values] == [(3, 'é\n"'), (4, 'one\n  two """'), (2, "-1.5e3")]


def test_operands_of_another_type_are_invalid_or_a_fault() -> None:
    for bad in (None, 1, True, ["{ f }"]):
        assert call("graphql.is_valid", bad, SCHEMA) is False
        assert call("graphql.schema_is_valid", bad) is False
        assert call("graphql.parse_and_verify", "{ count }", bad) == [False, {}, {}]
        with pytest.raises(OperandFault, match="operand 1 must be"):
            call("graphql.parse", bad, SCHEMA)
        with pytest.raises(OperandFault, match="operand 1 must be string"):
            call("graphql.parse_query", bad)


FRAGMENTS = (
    "{ ...f0 }"
    + "".join(f" fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} count }}" for n in range(2000))
    + " fragment f2000 on Query { count }"
)
HOSTILE = {
    "deep": "{ hero { friends " * 1 + "{ friends " * 20_000,
    "lists": "query ($a: " + "[" * 100_000,
    "values": "{ human(id: " + "[" * 100_000,
    "fragments": FRAGMENTS,
    "same": "{ " + "count " * 40_000 + "}",
    "aliases": "{ "
    + " ".join(f"a{n}: hero {{ ...f }}" for n in range(3000))
    + "} fragment f on Being { "
    + " ".join(f"b{n}: name" for n in range(3000))
    + " }",
    "operations": " ".join(f"query q{n} {{ ...f }}" for n in range(6000)) + " fragment f on Query { " + "count " * 2000 + "}",
    "variables": "query Q(" + " ".join(f"$v{n}: Int" for n in range(15_000)) + ") { count }",
    "arguments": "{ human(" + " ".join(f"a{n}: 1" for n in range(25_000)) + ") { name } }",
    "marks": "{ " * 120_000,
    "quotes": '"' * 250_000,
    "escapes": '"' + "\\n" * 120_000,
    "long": "#" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_ends_soon(name: Any) -> None:
    began = time.thread_time()
    with suppress(BuiltinFault, OverLimit):
        call("graphql.parse", HOSTILE[name], SCHEMA)
    with suppress(OverLimit):
        call("graphql.schema_is_valid", HOSTILE[name])
    assert time.thread_time() - began < 8


def test_a_fragment_that_many_operations_spread_is_walked_only_so_often() -> None:
    fields = " ".join(f"a{n}: count" for n in range(1000))
    text = " ".join(f"query q{n} {{ ...f }}" for n in range(3000)) + f" fragment f on Query {{ {fields} }}"
    with pytest.raises(OverLimit, match="selections and values to check"):
        call("graphql.is_valid", text, SCHEMA)


def test_a_hostile_schema_ends_soon() -> None:
    names = " ".join(f"f{n}: Int" for n in range(6000))
    many = f"interface I {{ {names} }} " + f"type A implements I {{ {names} }}"
    extended = "type A { a: Int } " + " ".join(f"extend type A {{ b{n}: Int }}" for n in range(6000))
    for text in (many, extended, "type A { " + "a: Int " * 30_000 + "}"):
        began = time.thread_time()
        with suppress(OverLimit):
            call("graphql.schema_is_valid", text)
        assert time.thread_time() - began < 8


words = st.sampled_from(
    [*"{}()[]!:=@$|&#\n", *("...", "on", "query", "fragment", "type", "union", "enum", "schema", "extend", "a", "b", "1", "2.5", "Int")]
)
text = st.lists(words, max_size=30).map(" ".join) | st.text(max_size=30)
scalar = st.none() | st.booleans() | st.integers(-3, 12) | st.text(max_size=3)
members = [
    "Operations",
    "Fragments",
    "Definitions",
    "Extensions",
    "Directives",
    "Schema",
    "Name",
    "Kind",
    "Fields",
    "Type",
    "NamedType",
    "Elem",
    "SelectionSet",
    "Alias",
]
members += [
    "TypeCondition",
    "Arguments",
    "Value",
    "Raw",
    "Children",
    "Operation",
    "VariableDefinitions",
    "Variable",
    "Interfaces",
    "Types",
    "EnumValues",
    "NonNull",
    "Locations",
]
tree = st.recursive(
    scalar | st.sampled_from(["Query", "OBJECT", "ENUM", "query", "count", "Int"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(members), one, max_size=5),
    max_leaves=25,
)


def broken(whole: Any) -> Any:
    """Trees that were read and then damaged in one place."""

    @st.composite
    def damaged(draw: Any) -> Any:
        made = copy.deepcopy(whole)
        node = made
        for _ in range(draw(st.integers(0, 8))):
            inner = list(node.values()) if type(node) is dict else node
            further = [one for one in inner if type(one) in {dict, list} and one]
            if not further:
                break
            node = draw(st.sampled_from(further))
        if type(node) is dict and node:
            name = draw(st.sampled_from(sorted(node)))
            node[name] = draw(tree)
        elif type(node) is list and node:
            node[0] = draw(tree)
        return made

    return damaged()


queries = text | tree | broken(call("graphql.parse_query", GOOD[0])) | broken(call("graphql.parse_query", GOOD[4])) | st.sampled_from(GOOD)
schemas = text | tree | broken(call("graphql.parse_schema", SCHEMA)) | st.just(SCHEMA)


@settings(max_examples=400, deadline=None)
@given(queries, schemas)
def test_whatever_the_operands_the_fault_is_one_of_ours_and_they_stay_as_they_are(query: Any, schema: Any) -> None:
    before = copy.deepcopy((query, schema))
    for name, operands in (
        ("graphql.parse", (query, schema)),
        ("graphql.parse_and_verify", (query, schema)),
        ("graphql.is_valid", (query, schema)),
        ("graphql.schema_is_valid", (schema,)),
        ("graphql.parse_query", (query,)),
        ("graphql.parse_schema", (schema,)),
    ):
        with suppress(BuiltinFault, OverLimit):
            call(name, *operands)
    assert (query, schema) == before
