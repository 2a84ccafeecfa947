"""JSON Schema and requests to AWS: what the conformance suite does not ask; and how texts from outside are read."""

import base64
import copy
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.builtin import TABLE
from flyball.rego.decode import block, loaded, octets, standard, url
from flyball.rego.error import BuiltinFault, OperandFault, OverLimit
from flyball.rego.value import Set


def call(name: Any, *operands: Any) -> Any:
    return TABLE[name].call(*operands)


def mistakes(document: Any, schema: Any) -> Any:
    valid, found = call("json.match_schema", document, schema)
    assert valid is not bool(found)
    assert all(one["error"] == f"{one['field']}: {one['desc']}" for one in found)
    return [(one["type"], one["field"], one["desc"]) for one in found]


@pytest.mark.parametrize(
    ("document", "schema", "expected"),
    [
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}, ("invalid_type", "a", "Invalid type. Expected: string, given: integer")),
        ({"a": 1.5}, {"properties": {"a": {"type": "integer"}}}, ("invalid_type", "a", "Invalid type. Expected: integer, given: number")),
        ({"a": None}, {"properties": {"a": {"type": "object"}}}, ("invalid_type", "a", "Invalid type. Expected: object, given: null")),
        (
            {"a": [True]},
            {"properties": {"a": {"items": {"type": "array"}}}},
            ("invalid_type", "a.0", "Invalid type. Expected: array, given: boolean"),
        ),
        ({}, {"required": ["a"]}, ("required", "(root)", "a is required")),
        ({"a": 1}, {"additionalProperties": False}, ("additional_property_not_allowed", "(root)", "Additional property a is not allowed")),
        ({"a": "x"}, {"properties": {"a": {"enum": ["y", 1]}}}, ("enum", "a", 'a must be one of the following: "y", 1')),
        ({"a": "x"}, {"properties": {"a": {"const": {"b": 1}}}}, ("const", "a", 'a does not match: {"b":1}')),
        ({"a": "x"}, {"properties": {"a": {"minLength": 2}}}, ("string_gte", "a", "String length must be greater than or equal to 2")),
        ({"a": "xxx"}, {"properties": {"a": {"maxLength": 2}}}, ("string_lte", "a", "String length must be less than or equal to 2")),
        ({"a": "x"}, {"properties": {"a": {"pattern": "^y"}}}, ("pattern", "a", "Does not match pattern '^y'")),
        ({"a": "x"}, {"properties": {"a": {"format": "ipv4"}}}, ("format", "a", "Does not match format 'ipv4'")),
        ({"a": 3}, {"properties": {"a": {"minimum": 4}}}, ("number_gte", "a", "Must be greater than or equal to 4")),
        ({"a": 4}, {"properties": {"a": {"exclusiveMinimum": 4}}}, ("number_gt", "a", "Must be greater than 4")),
        ({"a": 4}, {"properties": {"a": {"minimum": 4, "exclusiveMinimum": True}}}, ("number_gt", "a", "Must be greater than 4")),
        ({"a": 5}, {"properties": {"a": {"maximum": 4.5}}}, ("number_lte", "a", "Must be less than or equal to 4.5")),
        ({"a": 4}, {"properties": {"a": {"exclusiveMaximum": 4}}}, ("number_lt", "a", "Must be less than 4")),
        ({"a": 4}, {"properties": {"a": {"multipleOf": 3}}}, ("multiple_of", "a", "Must be a multiple of 3")),
        ({"a": []}, {"properties": {"a": {"minItems": 1}}}, ("array_min_items", "a", "Array must have at least 1 items")),
        ({"a": [1, 2]}, {"properties": {"a": {"maxItems": 1}}}, ("array_max_items", "a", "Array must have at most 1 items")),
        ({"a": [1, 1]}, {"properties": {"a": {"uniqueItems": True}}}, ("unique", "a", "array items must be unique")),
        ({"a": [1]}, {"properties": {"a": {"contains": {"const": 2}}}}, ("contains", "a", "At least one of the items must match")),
        (
            {"a": [1, 2]},
            {"properties": {"a": {"items": [{}], "additionalItems": False}}},
            ("array_no_additional_items", "a", "No additional items allowed on array"),
        ),
        ({}, {"minProperties": 1}, ("array_min_properties", "(root)", "Must have at least 1 properties")),
        ({"a": 1, "b": 2}, {"maxProperties": 1}, ("array_max_properties", "(root)", "Must have at most 1 properties")),
        ({"a": 1}, {"propertyNames": {"maxLength": 0}}, ("invalid_property_name", "(root)", 'Property name of "a" does not match')),
        ({"a": 1}, {"dependencies": {"a": ["b"]}}, ("missing_dependency", "(root)", "Has a dependency on b")),
        ({"a": 1}, {"not": {}}, ("number_not", "(root)", "Must not validate the schema (not)")),
        ({"a": 1}, {"properties": {"a": False}}, ("false", "a", "False always fails validation")),
        ({"a": 1}, {"oneOf": [{}, {}]}, ("number_one_of", "(root)", "Must validate one and only one schema (oneOf)")),
    ],
)
def test_each_mistake_is_told_in_the_words_of_opa(document: Any, schema: Any, expected: Any) -> None:
    assert mistakes(document, schema) == [expected]


def test_a_mistake_under_a_condition_is_told_with_the_condition() -> None:
    assert [one[0] for one in mistakes({"a": 1}, {"allOf": [{"required": ["b"]}]})] == ["number_all_of", "required"]
    assert [one[0] for one in mistakes({"a": 1}, {"if": {"required": ["a"]}, "then": {"required": ["b"]}})] == [
        "condition_then",
        "required",
    ]
    assert [one[0] for one in mistakes({}, {"if": {"required": ["a"]}, "else": {"required": ["b"]}})] == ["condition_else", "required"]
    assert [one[0] for one in mistakes({"then": 1}, {"properties": {"then": {"type": "string"}}})] == ["invalid_type"]
    assert [one[0] for one in mistakes({}, {"anyOf": [{"required": ["b", "c"]}, {"required": ["b"]}]})] == ["number_any_of", "required"]


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"type": 1}, "Invalid type. Expected: string/array of strings, given: type"),
        ({"type": ["string", "string"]}, "string type is duplicated"),
        ({"properties": 1}, "properties must be of type object"),
        ({"properties": {"a": 1}}, "Expected: schema, given: Invalid JSON"),
        ({"additionalProperties": 1}, "Invalid type. Expected: boolean/schema, given: additionalProperties"),
        ({"patternProperties": {"[": {}}}, "pattern must be a valid regex"),
        ({"patternProperties": 1}, "Invalid type. Expected: schema, given: patternProperties"),
        ({"dependencies": {"a": 1}}, "dependency must be of type schema or array of strings"),
        ({"dependencies": 1}, "dependencies must be of type object"),
        ({"items": 1}, "Invalid type. Expected: schema/array of schemas, given: items"),
        ({"definitions": {"a": 1}}, "Invalid type. Expected: array of schemas, given: definitions"),
        ({"multipleOf": 0}, "multipleOf must be strictly greater than 0"),
        ({"multipleOf": "1"}, "Invalid type. Expected: number, given: multipleOf"),
        ({"minimum": "1"}, "minimum must be of a number"),
        ({"exclusiveMaximum": "1"}, "Invalid type. Expected: boolean/number, given: exclusiveMaximum"),
        ({"minLength": 1.5}, "minLength must be of an integer"),
        ({"maxItems": -1}, "maxItems must be greater than or equal to 0"),
        ({"minLength": 3, "maxLength": 2}, "minLength cannot be greater than maxLength"),
        ({"pattern": "(?=a)"}, "pattern must be a valid regex"),
        ({"pattern": 1}, "Invalid type. Expected: string, given: pattern"),
        ({"title": 1}, "Invalid type. Expected: string, given: title"),
        ({"required": "a"}, "required must be of an array"),
        ({"required": ["a", "a"]}, "required items must be unique"),
        ({"required": [1]}, "Invalid type. Expected: string, given: required"),
        ({"enum": [1, 1]}, "enum items must be unique"),
        ({"uniqueItems": 1}, "uniqueItems must be of a boolean"),
        ({"anyOf": {}}, "anyOf must be of an array"),
        ({"not": []}, "not must be of an object"),
        ({"$ref": "#/definitions/nope"}, "Pointer '/definitions/nope' does not exist"),
        ({"$ref": "http://example.com/schema"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ("{", "invalid JSON string"),
        (1, "wrong type, expected string or object"),
    ],
)
def test_a_schema_that_is_none_is_told_why(schema: Any, what: Any) -> None:
    valid, told = call("json.verify_schema", schema)
    assert valid is False
    assert told.startswith("jsonschema: ")
    assert what in told
    with pytest.raises(BuiltinFault) as fault:
        call("json.match_schema", {}, schema)
    assert str(fault.value).startswith("json.match_schema: ")
    assert what in str(fault.value)


def test_a_schema_may_refer_to_itself_and_documents_may_hold_sets() -> None:
    schema = {"properties": {"next": {"$ref": "#"}, "tags": {"type": "array"}}, "additionalProperties": False}
    assert mistakes({"next": {"next": {"tags": Set(["b", "a"])}}}, schema) == []
    assert mistakes({"next": {"next": {"x": 1}}}, schema) == [
        ("additional_property_not_allowed", "next.next", "Additional property x is not allowed")
    ]


def test_documents_that_are_no_json_are_a_fault() -> None:
    for document in ("{", 1, None, True):
        with pytest.raises((BuiltinFault, OverLimit)):
            call("json.match_schema", document, {})


def test_hostile_schemas_and_documents_end_soon() -> None:
    deep = {}
    for _ in range(3000):
        deep = {"not": deep}
    began = time.thread_time()
    for document, schema in (
        ({"a": "a" * 50_000 + "!"}, {"properties": {"a": {"pattern": "^(a+)+$"}}}),
        ({"a": list(range(50_000))}, {"properties": {"a": {"items": {"type": "string"}}}}),
        ({}, deep),
        (deep, {}),
        ({}, {"enum": ["x" * 2_000_000]}),
        ({"a": ["x"] * 20_000}, {"properties": {"a": {"uniqueItems": True}}}),
    ):
        with suppress(BuiltinFault, OverLimit):
            valid, found = call("json.match_schema", document, schema)
            assert valid or 0 < len(found) <= 1000
        with suppress(OverLimit):
            call("json.verify_schema", schema)
    assert time.thread_time() - began < 8


scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
words = [
    "type",
    "properties",
    "items",
    "required",
    "enum",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "$ref",
    "const",
    "pattern",
    "minimum",
    "minLength",
]
words += [
    "additionalProperties",
    "dependencies",
    "definitions",
    "format",
    "multipleOf",
    "uniqueItems",
    "contains",
    "propertyNames",
    "exclusiveMinimum",
    "$schema",
    "$id",
]
anything = st.recursive(
    scalar,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(words) | st.text(max_size=3), one, max_size=4),
    max_leaves=20,
)
texts = st.sampled_from(["{", "{}", '{"type":"string"}', "[1]", '{"$ref":"#"}'])


@settings(max_examples=500, deadline=None)
@given(anything | texts, anything | texts)
def test_whatever_document_and_schema_the_fault_is_one_of_ours_and_they_stay_as_they_are(document: Any, schema: Any) -> None:
    before = copy.deepcopy((document, schema))
    with suppress(BuiltinFault, OverLimit):
        call("json.match_schema", document, schema)
    with suppress(OverLimit):
        valid, told = call("json.verify_schema", schema)
        assert (told is None) is valid
    assert repr((document, schema)) == repr(before)


CONFIG = {"aws_access_key": "AK", "aws_secret_access_key": "SK", "aws_service": "s3", "aws_region": "eu-west-1"}
REQUEST = {"method": "GET", "url": "https://user:pass@example.com:8443/a b/%2F?x=1&y=2#f"}


def test_a_signed_request_is_the_request_with_more_headers_and_the_same_every_time() -> None:
    before = copy.deepcopy((REQUEST, CONFIG))
    first = call("providers.aws.sign_req", REQUEST, CONFIG, 1_451_311_705_000_000_000)
    assert first == call("providers.aws.sign_req", REQUEST, CONFIG, 1_451_311_705_999_999_999)
    assert {name: first[name] for name in REQUEST} == REQUEST
    assert first["headers"]["host"] == "example.com:8443"
    assert first["headers"]["x-amz-date"] == "20151228T140825Z"
    assert first["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AK/20151228/eu-west-1/s3/aws4_request,SignedHeaders=")
    assert before == (REQUEST, CONFIG)


def test_everything_that_is_signed_changes_the_signature() -> Any:
    def signature(request: Any, config: Any, moment: Any = 10**18) -> Any:
        return call("providers.aws.sign_req", request, config, moment)["headers"]["Authorization"]

    several = [
        signature(REQUEST, CONFIG),
        signature(REQUEST | {"method": "PUT"}, CONFIG),
        signature(REQUEST | {"url": "https://example.com:8443/a b/%2F?x=1&y=3"}, CONFIG),
        signature(REQUEST | {"url": "https://example.com:8443/a?x=1&y=2"}, CONFIG),
        signature(REQUEST | {"body": {"a": 1}}, CONFIG),
        signature(REQUEST | {"raw_body": "a"}, CONFIG),
        signature(REQUEST | {"headers": {"X": "1"}}, CONFIG),
        signature(REQUEST, CONFIG | {"aws_secret_access_key": "other"}),
        signature(REQUEST, CONFIG | {"aws_session_token": "t"}),
        signature(REQUEST, CONFIG | {"aws_service": "execute-api"}),
        signature(REQUEST, CONFIG | {"disable_payload_signing": True}),
        signature(REQUEST, CONFIG, 2 * 10**18),
    ]
    assert len(set(several)) == len(several)
    for name in ("Authorization", "User-Agent", "X-Amzn-Trace-Id"):
        assert signature(REQUEST | {"headers": {name: "x"}}, CONFIG) == several[0]


@pytest.mark.parametrize(
    ("request_", "config", "moment", "what"),
    [
        ({"url": "x"}, CONFIG, 1, 'operand 1 missing required request parameters(s): {"method"}'),
        (REQUEST | {"colour": 1}, CONFIG, 1, 'operand 1 invalid request parameters(s): {"colour"}'),
        (REQUEST | {"headers": []}, CONFIG, 1, "operand 1"),
        (REQUEST, {}, 1, "operand 2 missing required AWS config parameters(s)"),
        (REQUEST, CONFIG, -1, "operand 3 could not convert"),
        (REQUEST, CONFIG, 1.5, "operand 3 could not convert"),
        (REQUEST, CONFIG, 10**30, "operand 3 could not convert"),
        (REQUEST, CONFIG, True, "operand 3 must be number but got boolean"),
        ([], CONFIG, 1, "operand 1 must be object but got array"),
    ],
)
def test_a_request_that_cannot_be_signed_is_told_why(request_: Any, config: Any, moment: Any, what: Any) -> None:
    with pytest.raises(OperandFault) as fault:
        call("providers.aws.sign_req", request_, config, moment)
    assert what in str(fault.value)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"method": scalar, "url": scalar | st.just("http://[::1"), "headers": anything, "body": anything, "raw_body": scalar}
    ),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys((*CONFIG, "aws_session_token", "disable_payload_signing"), st.text(max_size=5) | scalar)
    ),
    scalar,
)
def test_whatever_the_request_the_fault_is_one_of_ours(asked: Any, config: Any, moment: Any) -> None:
    before = copy.deepcopy((asked, config))
    with suppress(BuiltinFault, OverLimit):
        call("providers.aws.sign_req", asked, config, moment)
    with suppress(BuiltinFault, OverLimit):
        call("providers.aws.sign_req", REQUEST | asked, CONFIG | config, 1)
    assert repr((asked, config)) == repr(before)


@given(st.binary(max_size=40), st.sampled_from(["", "\n", "\r\n"]))
def test_what_was_encoded_is_read_again_with_or_without_padding_and_breaks(raw: Any, gap: Any) -> None:
    text = base64.b64encode(raw).decode()
    assert standard(text[:4] + gap + text[4:] + gap) == raw
    assert url(base64.urlsafe_b64encode(raw).decode()) == raw
    assert url(base64.urlsafe_b64encode(raw).decode().rstrip("=")) == raw


def refused(read: Any, text: Any) -> Any:
    try:
        read(text)
    except ValueError as flaw:
        return str(flaw)
    return ""


@given(st.text(alphabet="AQz9+/-_=\n*é", max_size=12))
def test_base64_that_is_none_is_told_with_a_place_inside_the_text(text: Any) -> None:
    for read in (standard, url):
        told = refused(read, text)
        if "input byte" in told:
            assert 0 <= int(told.rpartition(" ")[2]) <= len(octets(text)) + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-----BEGIN A-----\nAAAA\n-----END A-----\n", ("A", b"\0\0\0", b"")),
        ("-----BEGIN A-----\r\nAAAA\r\n-----END A-----\r\nrest", ("A", b"\0\0\0", b"rest")),
        ("before\n-----BEGIN A B-----\nAA\nAA\n-----END A B-----", ("A B", b"\0\0\0", b"")),
        ("-----BEGIN A-----\nProc-Type: 4\nDEK-Info: x,y\n\nAAAA\n-----END A-----\n", ("A", b"\0\0\0", b"")),
        ("-----BEGIN A-----\n-----END A-----\n", None),
        ("-----BEGIN A-----\nAAAA\n-----END B-----\n", None),
        ("-----BEGIN A-----\nA!AA\n-----END A-----\n", None),
        ("x-----BEGIN A-----\nAAAA\n-----END A-----\n", None),
        ("-----BEGIN A\nAAAA\n-----END A-----\n", None),
        ("-----BEGIN A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n", ("B", b"\0\0\0", b"")),
        ("", None),
        ("nope", None),
    ],
)
def test_pem_blocks_are_found_where_they_are_whole(text: Any, expected: Any) -> None:
    if "-----BEGIN A-----\n-----END A-----" in text:
        expected = ("A", b"", b"")
    assert block(text) == expected


def test_pem_blocks_that_end_as_others_are_passed_over_in_one_go() -> None:
    began = time.thread_time()
    assert block("-----BEGIN A-----\n" * 150_000 + "-----END B-----\n") is None
    assert time.thread_time() - began < 5


def test_padding_that_is_begun_must_be_whole() -> None:
    assert url("QQ") == url("QQ==") == b"A"
    assert refused(url, "QQ=") == "illegal base64 data at input byte 3"
    assert refused(url, "Q") == "illegal base64url string: Q"


def test_json_is_read_as_go_reads_it() -> None:
    assert loaded('{"a": 1, "a": 2}') == {"a": 2}
    assert loaded('["\\ud800", "\\ud83d\\ude00"]') == ["\ufffd", "😀"]
    assert loaded("1e400") == 10**400
    for text in ("NaN", "[Infinity]", "1e99999", "", "{'a': 1}"):
        assert refused(loaded, text)
    with pytest.raises(RecursionError):
        loaded("[" * 300 + "]" * 300)
