"""Strings, `sprintf`, `print` and templates: what the compliance suite does not ask."""

from typing import Any

import pytest

from flyball.rego.builtin import TABLE, World
from flyball.rego.error import Conflict
from flyball.rego.value import TRUE, Set
from rego.ask import ask

WIDE = "x" * (16 * 1024 * 1024)
LONG = "eval_limit_error: {}: more than 16,777,216 characters"


@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        # Go maps each character to one character
        ("upper", ("straße ŉ ᾳ",), "STRAßE ŉ ᾼ"),
        ("lower", ("İΣ ÀÉ",), "i\u03c3 àé"),
        # what Go holds for white space
        ("trim_space", ("\u2003\t a\x1c\u00a0",), "a\x1c"),
        ("trim", ("", ""), ""),
        ("trim", ("aXa", ""), "aXa"),
        ("trim_left", ("éèa", "èé"), "a"),
        ("trim_prefix", ("aab", "a"), "ab"),
        ("split", ("ab", ""), ["a", "b"]),
        ("split", ("", ""), []),
        ("split", ("", "x"), [""]),
        ("replace", ("ab", "", "-"), "-a-b-"),
        ("replace", (WIDE, "x", "yy"), LONG.format("replace")),
        ("strings.replace_n", ({"a": "b", "b": "a"}, "ab"), "ba"),
        ("strings.replace_n", ({"ab": "1", "a": "2"}, "ab"), "2b"),
        ("strings.replace_n", ({"": "x", "a": "1"}, "ab"), "x1xbx"),
        ("strings.replace_n", ({".*": "x"}, "a.*"), "ax"),
        ("strings.replace_n", ({}, "a"), "a"),
        ("strings.replace_n", ({TRUE: "x"}, "a"), "eval_type_error: strings.replace_n: operand 1 non-string key found in pattern object"),
        ("strings.replace_n", ([], "a"), "eval_type_error: strings.replace_n: operand 1 must be object but got array"),
        ("strings.replace_n", ({"x": WIDE}, "xx"), LONG.format("strings.replace_n")),
        ("indexof", ("a", ""), "eval_builtin_error: indexof: empty search character"),
        ("indexof_n", ("aaa", "aa"), [0, 1]),
        ("indexof_n", (WIDE[:40_000], WIDE[:20_000]), "eval_limit_error: indexof_n: more than 50,000,000 characters to compare"),
        ("substring", ("abc", 1, -5), "bc"),
        ("substring", ("abc", 1, 0), ""),
        ("substring", ("abc", 1.0, 1), "eval_type_error: substring: operand 2 must be integer number but got floating-point number"),
        ("concat", (",", Set(["b", "a"])), "a,b"),
        ("concat", (",", ["a", 1]), "eval_type_error: concat: operand 2 must be array of strings but got array containing number"),
        ("concat", (",", "a"), "eval_type_error: concat: operand 2 must be one of {set, array} but got string"),
        ("concat", (WIDE, ["a", "b", "c"]), LONG.format("concat")),
        ("strings.any_prefix_match", (["b", "abc"], Set(["x", "ab"])), True),
        ("strings.any_prefix_match", (["b", "abd", "abc"], ["abcd", "abcc"]), False),
        ("strings.any_prefix_match", ([], ["a"]), False),
        ("strings.any_prefix_match", ([*map(str, range(40)), "abc"], ["ab", "x"]), True),
        ("strings.any_prefix_match", ([*map(str, range(40)), "abc"], ["abd", "x"]), False),
        ("strings.any_suffix_match", (["b", "abc"], ["x", "bc"]), True),
        ("strings.any_suffix_match", ("abc", ""), True),
        ("strings.count", ("aaa", "aa"), 1),
        ("format_int", (-255.9, 16), "-ff"),
        ("format_int", (5, 2.0), "eval_type_error: format_int: operand 2 must be one of {2, 8, 10, 16}"),
        ("startswith", (1, "a"), "eval_type_error: startswith: operand 1 must be string but got number"),
        ("internal.template_string", (["a", Set(), Set([None])],), "a<undefined>null"),
        # Go's fmt
        ("sprintf", ("%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%q|%U", [5, 5, 5, -5, 5, 5, 255, 255, 255, 8, 5, 65, 65, 0x1F600]),
         "5|    5|5    |-0005|+5| 5|ff|FF|0xff|10|101|A|'A'|U+1F600"),
        ("sprintf", ("%s|%q|%x|%5s|%-5s|%.1s|%05s", ["a", "é\n", "hi", "a", "a", "éa", "a"]), 'a|"é\\n"|6869|    a|a    |é|0000a'),
        ("sprintf", ("%v %v %v %v", [1.0, 1000000.0, 0.00001, 123456.5]), "1 1e+06 1e-05 123456.5"),
        ("sprintf", ("%f %.1f %e %g %8.2f|%-8.2f|%+.1f", [1.5, 2.25, 1234.5, 1e21, 1.5, 1.5, 1.5]),
         "1.500000 2.2 1.234500e+03 1e+21     1.50|1.50    |+1.5"),
        ("sprintf", ("%v %v %v", [None, Set([2, "a"]), {"b": [True], "a": 1.5}]), 'null {2, "a"} {"a": 1.5, "b": [true]}'),
        ("sprintf", ("%d", ["x"]), "%!d(string=x)"),
        ("sprintf", ("%s", [5]), "%!s(int=5)"),
        ("sprintf", ("%d", [1.5]), "%!d(float64=1.5)"),
        ("sprintf", ("%t", [True]), "%!t(string=true)"),
        ("sprintf", ("%z", [10**30]), f"%!z(big.Int={10**30})"),
        ("sprintf", ("%d %x", [10**30, 2**70]), f"{10**30} 400000000000000000"),
        ("sprintf", ("%v %v", [1]), "1 %!v(MISSING)"),
        ("sprintf", ("%d", [1, "a", 2.5]), "1%!(EXTRA string=a, float64=2.5)"),
        ("sprintf", ("%[2]d %[1]d", [1, 2]), "2 1"),
        ("sprintf", ("%[3]d", [1, 2]), "%!d(BADINDEX)"),
        ("sprintf", ("%[x]d", [1]), "%!d(BADINDEX)"),
        ("sprintf", ("%*d|%-*d|%.*f", [4, 7, 4, 7, 1, 2.55]), "   7|7   |2.5"),
        ("sprintf", ("%*d", ["a", 7]), "%!(BADWIDTH)7"),
        ("sprintf", ("100%% %", []), "100% %!(NOVERB)"),
        ("sprintf", ("%T %T %T", [1, "a", 1.5]), "int string float64"),
        ("sprintf", ("%9999999d", [1]), "%!(NOVERB)%!(EXTRA int=1)"),
        ("sprintf", ("%1000000d" * 20, list(range(20))), LONG.format("sprintf")),
        ("sprintf", ("%s", "a"), "eval_type_error: sprintf: operand 2 must be array but got string"),
        # numbers as OPA writes them: no exponent from 1e-6 up to 1e21
        ("json.marshal", ([1e20, 1e21, 1.5e-5, 1e-7, 1.0, 10**30, 2 * 10**308],), "[100000000000000000000,1e+21,0.000015,1e-7,1.0,1"
         + "0" * 30 + ",2e308]"),
    ],
)  # fmt: skip
def test_answer(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    assert ask(name, *operands) == answer


def test_several_values_make_no_template_and_many_lines_of_print() -> None:
    with pytest.raises(Conflict, match="multiple outputs"):
        TABLE["internal.template_string"].call([Set([1, 2])])
    world = World()
    assert TABLE["internal.print"].call(world, [Set(["a"]), Set([1, 2]), Set()]) is True
    assert TABLE["trace"].call(world, "note") is True
    assert world.printed == ["a 1 <undefined>", "a 2 <undefined>", "note"]
    assert ask("internal.print", [Set(range(101)), Set(range(101))]) == "eval_limit_error: internal.print: more than 10,000 lines"


VALUES = {"a": 1, "b": [1, 2, {"c": None}], "s": "x<y", "e": [], "m": {"z": 1, "y": "q"}, "t": True}


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("{{.a}} {{.b}} {{.m}}", "1 [1 2 map[c:<nil>]] map[y:q z:1]"),
        ("a {{- .a -}} b{{/* no */}}", "a1b"),
        ("{{range $k, $v := .m}}{{$k}}={{$v}};{{end}}", "y=q;z=1;"),
        ("{{range .e}}x{{else}}none{{end}}", "none"),
        ('{{range .b}}{{if eq . "2"}}{{break}}{{end}}{{.}}{{end}}', "1"),
        ("{{range $i, $e := .b}}{{if not $i}}{{continue}}{{end}}{{$i}}{{end}}", "12"),
        ("{{with .m}}{{.z}}{{end}}{{with .x}}y{{else}}n{{end}}", "1n"),
        ('{{if .e}}1{{else if and .t (eq .s "x<y")}}2{{else}}3{{end}}', "2"),
        ("{{$x := 1}}{{if .t}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"),
        ('{{.s | html | printf "%q"}}', '"x&lt;y"'),
        ('{{len .b}} {{index .b 1}} {{index .m "y"}} {{(index .b 2).c}}', "3 2 q <undefined>"),
        ('{{slice .s 0 1}} {{print 1 2 "x" 3}} {{urlquery .s}}', "x 1 2x3 x%3Cy"),
        ('{{lt 1 2}} {{ge "a" "b"}} {{ne .a "1"}} {{or .e "d"}} {{and .t 0}}', "true false false d 0"),
        ('{{"a}}b"}}{{`raw`}}{{\'a\'}}{{1.5}}', "a}}braw971.5"),
        ("{{.x.y.z}}{{$.a}}", "<undefined>1"),
        ("{{if .a}}", "no {{end}} of {{if}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{foo}}", "function 'foo' not defined"),
        ('{{define "x"}}{{end}}', "function 'define' not defined"),
        ("{{$x}}", "undefined variable '$x'"),
        ("{{.a.b}}", "can't evaluate field b in 1"),
        ('{{eq 1 "1"}}', "incompatible types for comparison"),
        ("{{.a 1}}", "can't give argument to non-function .a"),
        ('{{"\\q"}}', 'bad constant "\\q"'),
        ("{{", "unclosed action"),
        ("{{break}}", "{{break}} outside {{range}}"),
        ("{{" + "(" * 60 + "1", "unclosed action"),
        ("{{" + "(" * 60 + "1" + ")" * 60 + "}}", "nested too deeply"),
    ],
)  # fmt: skip
def test_template(template: str, page: str) -> None:
    found = ask("strings.render_template", template, VALUES)
    assert found.removeprefix("eval_builtin_error: strings.render_template: template: template: ") == page


def test_a_template_with_loops_in_loops_is_ended() -> None:
    loops = "{{range $.n}}" * 5 + "x" + "{{end}}" * 5
    assert ask("strings.render_template", loops, {"n": [0] * 100}) == "eval_limit_error: strings.render_template: more than 1,000,000 steps"
