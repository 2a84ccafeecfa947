"""Regular expressions, globs and their like: Go's syntax, Go's matches, and an end in sight whatever is asked."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.expression.machine import Budget, Regex, _Run, compiled
from flyball.rego.expression.pattern import Unread
from rego.ask import ask

STEPS = "eval_limit_error: {}: more than 1,000,000 steps"


@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        ("regex.match", ("^\\d+$", "٣"), False),  # digits are ASCII in Go
        ("regex.match", ("^\\w$", "é"), False),
        ("regex.match", ("^\\s$", "\v"), False),
        ("regex.match", ("a$", "a\n"), False),  # the end is the end
        ("regex.match", ("(?m)^a$", "b\na\nb"), True),
        ("regex.match", ("^.$", "\n"), False),
        ("regex.match", ("(?s)^.$", "\n"), True),
        ("regex.match", ("^[^a]$", "\n"), True),
        ("regex.match", ("(?i)straSSe", "STRA\u017f\u017fE"), True),
        ("regex.match", ("(?i)[j-l]", "\u212a"), True),
        ("regex.match", ("^\\pL\\p{Lu}\\P{L}[\\p{^N}]$", "éÉ1x"), True),
        ("regex.match", ("^[[:alpha:]][[:^digit:]-]+$", "a-b"), True),
        ("regex.match", ("^\\Qa.b\\E+$", "a.bb"), True),
        ("regex.match", ("^\\x41\\x{1F600}\\101\\a$", "A😀A\a"), True),
        ("regex.match", ("^a{,2}$", "a{,2}"), True),
        ("regex.match", ("^(a|ab)(c|bcd)$", "abcd"), True),
        ("regex.match", ("", ""), True),
        ("regex.match", ("\\bé", "aé"), True),
        ("regex.match", (1, "a"), "eval_type_error: regex.match: operand 1 must be string but got number"),
        ("regex.is_valid", (1,), False),
        ("regex.is_valid", ("(?P<a>x)(?<b>y)",), True),
        ("regex.find_n", ("a*", "baac", -1), ["", "aa", ""]),
        ("regex.find_n", ("a*?", "aa", -1), ["", "", ""]),
        ("regex.find_n", ("(?U)a+", "aaa", 2), ["a", "a"]),
        ("regex.find_n", ("^a", "aaa", -1), ["a"]),
        ("regex.find_n", ("\\ba", "aa a", -1), ["a", "a"]),
        ("regex.find_n", ("a", "aaa", 0), []),
        ("regex.find_all_string_submatch_n", ("(a)|(b)", "ab", -1), [["a", "a", ""], ["b", "", "b"]]),
        ("regex.find_all_string_submatch_n", ("(a(b)?)+", "aba", 1), [["aba", "a", "b"]]),
        ("regex.split", ("a*", "baac"), ["b", "c"]),
        ("regex.split", ("", "éa"), ["é", "a"]),
        ("regex.split", (",", ""), [""]),
        ("regex.replace", ("aé", "", "-"), "-a-é-"),
        ("regex.replace", ("ab", "(?P<x>a)(b)", "${x}$2$$ $1x ${1}x $ $9"), "ab$  ax $ "),
        ("regex.replace", ("a" * 5000, "a", "b" * 5000), "eval_limit_error: regex.replace: more than 16,777,216 characters"),
        ("regex.template_match", ("a.{[0-9]{1,2}}.b", "a.12.b", "{", "}"), True),
        ("regex.template_match", ("a.<[0-9]+>", "axx1", "<", ">"), False),
        ("regex.template_match", ("a<b", "a", "<", ">"), 'eval_builtin_error: regex.template_match: unbalanced braces in "a<b"'),
        ("regex.template_match", ("a", "a", "<<", ">"),
         "eval_builtin_error: regex.template_match: start delimiter has to be exactly one character long but is 2 long"),
        ("regex.globs_match", ("a*b+", "[ab]+c*"), True),
        ("regex.globs_match", ("a+", ""), False),
        ("regex.globs_match", ("\\*", "[*]"), True),
        ("regex.globs_match", ("[a", "a"),
         "eval_builtin_error: regex.globs_match: input:[a, pos:2, found [ without matching ]: the input provided is invalid"),
        ("regex.globs_match", ("*", "a"),
         "eval_builtin_error: regex.globs_match: input:*, pos:1, flag '*' must be preceded by a non-flag: the input provided is invalid"),
        ("regex.globs_match", ("a" * 2000, "b" * 2000), "eval_limit_error: regex.globs_match: more than 1,000,000 pairs of characters"),
        ("glob.match", ("*.db", [], "a.b.db"), False),
        ("glob.match", ("**.db", [], "a.b.db"), True),
        ("glob.match", ("*.db", None, "a.b.db"), True),
        ("glob.match", ("a/*/c", ["/", ":"], "a/b:b/c"), False),
        ("glob.match", ("?", [], "."), False),
        ("glob.match", ("[!a]", [], "."), True),
        ("glob.match", ("{a,b*}.{c,d}", [], "bx.d"), True),
        ("glob.match", ("{a,{b,c}}x", [], "cx"), True),
        ("glob.match", ("\\*\\{", [], "*{"), True),
        ("glob.match", ("a,b}", [], "a,b}"), True),
        ("glob.match", ("", [], ""), True),
        ("glob.match", ("[a-c", [], "a"), "eval_builtin_error: glob.match: could not parse range"),
        ("glob.match", ("[c-a]", [], "a"), "eval_builtin_error: glob.match: hi character 'a' should be greater than lo 'c'"),
        ("glob.match", ("[a^]-$", [], "^-$"), True),
        ("glob.match", ("a\nb", [], "a\nb"), True),
        ("glob.match", ("a", ["ab"], "a"), "eval_type_error: glob.match: operand 2 must be array of runes but got array containing string"),
        ("glob.match", ("a", [1], "a"), "eval_type_error: glob.match: operand 2 must be array of strings but got array containing number"),
        ("glob.match", ("a", "b", "a"), "eval_type_error: glob.match: operand 2 must be one of {array, null} but got string"),
        ("glob.quote_meta", ("*.a{b}[c]?\\",), "\\*.a\\{b\\}\\[c\\]\\?\\\\"),
    ],
)  # fmt: skip
def test_answer(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    assert ask(name, *operands) == answer


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[a", "missing closing ]: `[a`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("\\y", "invalid escape sequence: `\\y`"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("\\C", "invalid escape sequence: `\\C`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("\\pX", "invalid character class range: `\\pX`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(a)\\1", "invalid escape sequence: `\\1`"),
        ("((a{100}){100}){100}", "expression too large"),
        ("a" * 20_001, "expression too large"),
    ],
)
def test_what_go_refuses_is_refused_in_its_words(pattern: str, why: str) -> None:
    assert ask("regex.match", pattern, "") == f"eval_builtin_error: regex.match: error parsing regexp: {why}"
    assert ask("regex.is_valid", pattern) is False


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        ("regex.match", ("(a*)*b", "a" * 3000), False),
        ("regex.match", ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 3000), False),
        ("regex.match", ("(a|aa)+$", "a" * 5000 + "b"), False),
        ("regex.match", ("(?:a?){300}a{300}", "a" * 300), True),
        ("regex.match", ("(.*)(.*)(.*)(.*)x", "a" * 5000), False),
        ("regex.match", ("(.*a){9}", "a" * 100_000), STEPS.format("regex.match")),
        ("regex.find_n", ("(?:.*)*z|c", "c" * 50_000, -1), STEPS.format("regex.find_n")),
        ("glob.match", ("{a,aa}" * 40 + "b", [], "a" * 60), False),
        ("glob.match", ("*a" * 40, None, "a" * 2000 + "b"), False),
    ],
)
def test_an_end_is_in_sight(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    assert ask(name, *operands) == answer


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "ab", "é", "^", "$", "\\b", "(?i:A)"])
PATTERNS = st.recursive(
    PIECES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "+?", "??"])).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=2000)
@given(PATTERNS, st.text(alphabet="abAé\n _", max_size=8))
def test_both_engines_find_the_same_groups(pattern: str, text: str) -> None:
    regex = Regex(pattern)
    slow = _Run(regex._program, text, Budget("x")).search(0)
    if regex._python is not None:
        fast = regex._python.search(text)
        assert slow == ([fast.span(number) for number in range(regex.groups + 1)] if fast else None)
    # Python's own reading of the pattern agrees about whether there is a match; about which, not where a loop may be empty
    theirs = re.search(pattern.replace("\\w", "[0-9A-Za-z_]").replace("\\b", "(?a:\\b)").replace("$", "\\Z"), text)
    assert (slow is None) is (theirs is None)


@settings(max_examples=300, deadline=2000)
@given(st.text(alphabet="ab(){}[]*+?|\\^$.-,:P<>iQEx01é", max_size=12), st.text(max_size=6))
def test_any_pattern_is_read_or_refused(pattern: str, text: str) -> None:
    found = compiled(pattern)
    if isinstance(found, str):
        with pytest.raises(Unread):
            Regex(pattern)
    else:
        found.search(text, 0, Budget("x"))
