"""What the parser refuses: where, in which words, and what it advises. Each row is a slip that somebody makes."""

from typing import NamedTuple

import pytest

from flyball.rego.error import Refused
from flyball.rego.front import parse_module

HEAD = "package a\n"


class Slip(NamedTuple):
    text: str
    place: tuple[int, int, int]  # row and column within the text, width of the caret
    what: str
    fix: str


SLIPS = (
    Slip('p := "\\{"', (1, 7, 2), "illegal escape sequence in a string", "write \\\\ for a backslash, or the string in `...`"),
    Slip(
        "allow if {\n\tinput.x\n\ndeny if {\n\tinput.y\n}\n",
        (4, 6, 2),
        "unexpected if keyword: expected \\n or ; or }",
        "close the { of row 2, column 10 before this row",
    ),
    Slip("allow if\n\ndeny := true", (1, 7, 2), "rule body expected after if", "write the conditions after it: if { ... }"),
    Slip("allow if", (1, 7, 2), "rule body expected after if", "write the conditions after it: if { ... }"),
    Slip("allow == true if { 1 }", (1, 7, 2), "unexpected == token: expected :=", "== compares, in a body; a head gives its value with :="),
    Slip("x := [1,,2]", (1, 9, 1), "unexpected , token: expected a term", "take one of the commas away"),
    Slip("x := [1,2", (1, 10, 1), "unexpected eof token: expected , or ]", "close the [ of row 2, column 6"),
    Slip("f(x) := x + (1 * 2 if { x }", (1, 20, 2), "unexpected if keyword: expected )", "close the ( of row 2, column 13 before it"),
    Slip('x := "abc\ny := 1', (1, 6, 4), "non-terminated string", 'close it with " in the same row; text of several rows stands in `...`'),
    Slip("x := `abc\ny := 1", (1, 6, 4), "non-terminated string", "close it with `"),
    Slip("if := 1", (1, 1, 2), "if keyword cannot be used for rule name", "choose another name; the word has a meaning of its own"),
    Slip("in if { true }", (1, 1, 2), "in keyword cannot be used for rule name", "choose another name; the word has a meaning of its own"),
    Slip("default := 1", (1, 1, 7), "default keyword cannot be used for rule name", "write it as default name := value"),
    Slip("p contians x if { x := 1 }", (1, 3, 8), "unexpected identifier token: expected if, contains or :=", "did you mean contains?"),
    Slip("deafult allow := false", (1, 1, 7), "unexpected identifier token: expected if, contains or :=", "did you mean default?"),
    Slip("p := \u201cx\u201d", (1, 6, 1), "illegal \u201c character", 'strings stand in plain double quotes: "..."'),
    Slip("p := 'x'", (1, 6, 3), "illegal ' character", 'strings stand in double quotes: "..."'),
    Slip(
        "p if {\n  input.a && input.b\n}",
        (2, 12, 1),
        "unexpected & token: expected a term",
        "conditions that must all hold stand in rows of their own, or apart by ;",
    ),
    Slip(
        "p if {\n  input.a || input.b\n}",
        (2, 12, 1),
        "unexpected | token: expected a term",
        "write a second rule of the same name, or x in {a, b}",
    ),
    Slip("p if !input.a", (1, 6, 1), "illegal ! character", "write not for a negation, != for a difference"),
    Slip(
        "p if { input.a and input.b }",
        (1, 16, 3),
        "unexpected identifier token: expected \\n or ; or }",
        "conditions that must all hold stand in rows of their own, or apart by ;",
    ),
    Slip(
        "p if input.a or input.b",
        (1, 14, 2),
        "unexpected identifier token: expected if, contains or :=",
        "write a second rule of the same name, or x in {a, b}",
    ),
    Slip("// comment\np := 1", (1, 1, 1), "unexpected / token: expected a rule", "comments begin with #"),
    Slip("p { input.x }", (1, 1, 1), "`if` keyword is required before rule body", "in Rego v1 it is p if {"),
    Slip("p[x] { input.x[x] }", (1, 1, 4), "`if` keyword is required before rule body", "in Rego v1 it is p contains x if {"),
    Slip("p[x] = y { y := input[x] }", (1, 1, 8), "`if` keyword is required before rule body", "in Rego v1 it is p[x] = y if {"),
    Slip("f(x) { x }", (1, 1, 4), "`if` keyword is required before function body", "in Rego v1 it is f(x) if {"),
    Slip("p = 1 { true }", (1, 1, 5), "`if` keyword is required before rule body", "in Rego v1 it is p = 1 if {"),
    Slip("p contains x { x := 1 }", (1, 1, 12), "`if` keyword is required before rule body", "in Rego v1 it is p contains x if {"),
    Slip('p["a"] { true }', (1, 1, 6), "`if` keyword is required before rule body", 'in Rego v1 it is p["a"] if {'),
    Slip(
        "p[x]",
        (1, 1, 4),
        "`contains` keyword is required for partial set rules",
        "a set has members: name contains x; anything else has a value with :=, or conditions with if",
    ),
    Slip(
        "p.q",
        (1, 1, 3),
        "`contains` keyword is required for partial set rules",
        "a set has members: name contains x; anything else has a value with :=, or conditions with if",
    ),
    Slip("p", (1, 1, 1), "rule must have value assignment and/or body declaration", "give it a value with :=, or conditions with if"),
    Slip(
        "f(x)", (1, 1, 4), "function must have value assignment and/or body declaration", "give it a value with :=, or conditions with if"
    ),
    Slip("p := x)", (1, 7, 1), "unexpected ) token: expected \\n", "nothing is open here: take it away, or open it before"),
    Slip('p := {"a": 1 "b": 2}', (1, 14, 3), "unexpected string token: expected , or }", "put a comma between the pairs"),
    Slip('p := {"a": 1, "b"}', (1, 18, 1), "unexpected } token: expected :", "an object has a value for every key: {key: value}"),
    Slip("p := -x", (1, 7, 1), "unexpected identifier token: expected number", "a minus before anything but a number is written as 0 - x"),
    Slip("p := 01", (1, 6, 2), "expected number without leading zero", "write 1"),
    Slip("p := 1.", (1, 6, 2), "expected fraction: 1.", "write digits after the ."),
    Slip("p := 1e", (1, 6, 2), "expected exponent: 1e", "write digits after the e"),
    Slip("p := 1a", (1, 6, 2), "illegal number format: 1a", 'a name begins with a letter or _; other keys stand in quotes: x["1a"]'),
    Slip('p := "\\x"', (1, 7, 2), "illegal escape sequence in a string", "write \\\\ for a backslash, or the string in `...`"),
    Slip('p := "\\ud800"', (1, 7, 6), "illegal escape sequence in a string", "half of a pair: write both, as in \\ud83d\\ude00"),
    Slip('p := "\\u12g4"', (1, 7, 2), "illegal escape sequence in a string", "\\u needs four hexadecimal digits"),
    Slip(
        "p if { some x im xs }",
        (1, 15, 2),
        "unexpected identifier token: expected \\n or ; or }",
        "give every condition a row of its own, or put a ; between them",
    ),
    Slip("p if { every x in xs }", (1, 22, 1), "unexpected } token: expected {", "every needs a body in braces: every x in xs { ... }"),
    Slip("p if { every x in xs { } }", (1, 24, 1), "found empty body", "write true where nothing is asked, or take the brackets away"),
    Slip("p if { }", (1, 8, 1), "found empty body", "write true where nothing is asked, or take the brackets away"),
    Slip("p if {}", (1, 7, 1), "found empty body", "write true where nothing is asked, or take the brackets away"),
    Slip("p := [x | ]", (1, 11, 1), "found empty body", "write true where nothing is asked, or take the brackets away"),
    Slip("p if { not some x in y }", (1, 12, 4), "illegal negation of 'some'", "put it into a rule of its own and negate that rule"),
    Slip("p if { x := 1; }", (1, 16, 1), "unexpected } token: expected an expression after ;", "take the last ; away"),
    Slip("p if x => 1", (1, 9, 1), "unexpected > token: expected a term", "write >= for at least"),
    Slip(
        "p if x.y.\n",
        (1, 10, 1),
        "unexpected eof token: expected identifier",
        'a name after a dot has letters, digits and _; other keys stand in brackets: x["a-b"]',
    ),
    Slip(
        "p := x.1",
        (1, 8, 1),
        "unexpected number token: expected identifier",
        'a name after a dot has letters, digits and _; other keys stand in brackets: x["a-b"]',
    ),
    Slip('p := "a".b', (1, 6, 3), "illegal ref (head cannot be string)", "give it a name first: x := ..."),
    Slip(
        "p if { a }{ b }",
        (1, 11, 1),
        "unexpected { token: a rule has one body",
        "write the head again before it: each of the two rules counts on its own",
    ),
    Slip("p if { a } else { b }", (1, 12, 4), "`if` keyword is required before rule body", "in Rego v1 it is else if {"),
    Slip(
        "p contains x if { x := 1 } else := 2",
        (1, 28, 4),
        "else keyword cannot be used on multi-value rules",
        "a set has every member that a rule gives; write a second rule",
    ),
    Slip(
        "p[x] := 1 if { x } else := 2",
        (1, 20, 4),
        "else keyword cannot be used on rules with variables in head",
        "write a second rule whose conditions exclude the first",
    ),
    Slip(
        "p if x else",
        (1, 12, 1),
        "unexpected eof token: expected else value term or rule body",
        "write else := value, or else := value if { ... }",
    ),
    Slip("default p", (1, 1, 9), "illegal default rule (must have a value)", "write it as default name := value"),
    Slip("default p := x", (1, 14, 1), "illegal default rule (value cannot contain var)", "the default is a constant"),
    Slip("default p := input.x", (1, 14, 7), "illegal default rule (value cannot contain ref)", "the default is a constant"),
    Slip("default f(1) := 2", (1, 11, 1), "illegal default rule (arguments cannot contain number)", "the arguments are variables here"),
    Slip(
        "default f(x, x) := 2", (1, 14, 1), "illegal default rule (arguments cannot be repeated x)", "give each argument a name of its own"
    ),
    Slip(
        "f(x) contains y if { x }",
        (1, 6, 8),
        "the contains keyword can only be used with multi-value rule definitions",
        "a function has one value: f(x) := value if { ... }",
    ),
    Slip(
        "import foo.bar",
        (1, 8, 7),
        "unexpected import path, must begin with one of: {data, future, input, rego}, got: foo",
        "import data.foo.bar",
    ),
    Slip(
        "import data.if",
        (1, 8, 7),
        "unexpected import path, must not end with a keyword, got: if",
        "give it an alias: import data.if as if_",
    ),
    Slip("import data.x as if", (1, 18, 2), "unexpected if keyword: expected var", "an alias is a name that is no keyword"),
    Slip("import future.foo", (1, 8, 10), "invalid import, must be `future.keywords`", "take it away: every keyword is known"),
    Slip(
        "import future.keywords.bar",
        (1, 8, 19),
        "unexpected keyword, must be one of contains, every, if, in",
        "take it away: every keyword is known",
    ),
    Slip(
        "import rego.v2", (1, 8, 7), "invalid import `rego.v2`, must be `rego.v1`", "import rego.v1, or nothing: it is what is read anyway"
    ),
    Slip("package b", (1, 1, 7), "unexpected package", "a file has one package, in its first row"),
    Slip(
        'p := $"{x',
        (1, 10, 1),
        "unexpected eof token: expected } to end the expression in a template string",
        "close the template string of row 2, column 6",
    ),
    Slip('p := $"{}"', (1, 9, 2), "found empty expression in a template string", "write a term between { and }, or \\{ for a brace"),
    Slip(
        'p := $"{not x}"',
        (1, 9, 3),
        "unexpected not in the expression of a template string",
        "a template takes terms; put conditions into the body, in rows of their own",
    ),
    Slip(
        'p := $"{x = 1}"',
        (1, 9, 5),
        "unexpected = in the expression of a template string",
        "a template takes terms; put conditions into the body, in rows of their own",
    ),
    Slip('p := $"a{x"', (1, 11, 1), "non-terminated string", "close the { of the template string with a } before it"),
    Slip("p if { x with y }", (1, 17, 1), "unexpected } token: expected as keyword", "write it as: with input.x as value"),
    Slip(
        "p if { x with 1 as 2 }",
        (1, 15, 1),
        "unexpected number token: expected identifier",
        "with replaces input, data, a path below one of them, or a function",
    ),
    Slip("p := 1e9999", (1, 6, 6), "number too big", "write it as a string"),
    Slip("p := 1e-999", (1, 6, 6), "number too small to be told from 0", "write it as a string"),
    Slip("p := x\xa0y", (1, 7, 1), "illegal character U+00A0", "write a plain space or tab"),
    Slip("p := \xe9", (1, 6, 1), "illegal \xe9 character", "a name has the letters a to z, digits and _"),
    Slip("p := 1 if { x } @", (1, 17, 1), "illegal @ character", 'a name has letters, digits and _; other keys stand in quotes: x["@a"]'),
    Slip("p := input.x ? 1 : 2", (1, 14, 1), "illegal ? character", "there is no ?: write a rule with else, or object.get"),
    Slip("p if { true\n", (1, 12, 1), "unexpected eof token: expected }", "close the { of row 2, column 6"),
    Slip(
        "p := f(1, 2\n\nq := 3\n",
        (3, 1, 1),
        "unexpected identifier token: expected , or )",
        "close the ( of row 2, column 7 before this row",
    ),
    Slip("_ := 1", (1, 1, 1), "_ cannot be used for rule name", "give the rule a name"),
    Slip(
        "p if { x in[1] }",
        (1, 10, 2),
        "unexpected in keyword: expected \\n or ; or }",
        "right before a [ it is a name: put a space between",
    ),
    Slip(
        "p if { return x }",
        (1, 8, 6),
        "unexpected identifier token: expected \\n or ; or }",
        "the value of a rule stands in its head: name := value if { ... }",
    ),
    Slip("p := {a, b: c}", (1, 11, 1), "unexpected : token: expected , or }", "put a comma between the items"),
    Slip("p := {,1}", (1, 7, 1), "unexpected , token: expected a term", "take the comma away"),
    Slip(
        "p if { 1 = 2 = 3 }",
        (1, 14, 1),
        "unexpected = token: expected \\n or ; or }",
        "give every condition a row of its own, or put a ; between them",
    ),
    Slip("p if { (x = 1) }", (1, 11, 1), "unexpected = token: expected )", "inside of brackets a comparison is written =="),
    Slip("p if input.x\nelse = 2 { true }", (2, 1, 8), "`if` keyword is required before rule body", "in Rego v1 it is else = 2 if {"),
    Slip(
        "a := 1\nb := 2)\n\nc := [\n\nd := 4",
        (2, 7, 1),
        "unexpected ) token: expected \\n",
        "nothing is open here: take it away, or open it before",
    ),
    Slip("{", (1, 1, 1), "unexpected { token: expected a rule", "a rule begins with its name: allow if { ... }"),
    Slip('x := data.a["b","c"]', (1, 16, 1), "unexpected , token: expected ]", "take the comma away"),
    Slip("p if { some x, y, z in w }", (1, 19, 1), "illegal domain", "some takes at most a key and a value: some k, v in xs"),
    Slip(
        "p if { some f(x) }",
        (1, 13, 1),
        "expected `x in xs` or `x, y in xs` expression",
        "some declares variables, or takes them from a collection",
    ),
    Slip("p contains if { true }", (1, 12, 2), "unexpected if keyword: expected a term", 'as a name it stands in quotes: x["if"]'),
    Slip("p := if { true }", (1, 6, 2), "unexpected if keyword: expected a term", 'as a name it stands in quotes: x["if"]'),
    Slip("p if { x : = 1 }", (1, 12, 1), "unexpected = token: expected a term", "write := in one word"),
    Slip("q := {1: 2 | x", (1, 15, 1), "unexpected eof token: expected \\n or ; or }", "close the { of row 2, column 6"),
    Slip(
        "p\n\nq := 1",
        (1, 1, 1),
        "rule must have value assignment and/or body declaration",
        "give it a value with :=, or conditions with if",
    ),
    Slip("p if { x := [1, 2 }", (1, 19, 1), "unexpected } token: expected , or ]", "close the [ of row 2, column 13 before it"),
    Slip(
        "p if {\n\tx := 1\n}}\n\nq := 1",
        (3, 2, 1),
        "unexpected } token: expected \\n",
        "nothing is open here: take it away, or open it before",
    ),
    Slip("p [1] { true }", (1, 1, 5), "`if` keyword is required before rule body", "in Rego v1 it is p [1] if {"),
    Slip(
        "p := a.b.c(1)(2)",
        (1, 14, 1),
        "unexpected ( token: expected \\n",
        "a rule ends here; the next begins with its name, in a row of its own",
    ),
    Slip(
        "p := 5 5",
        (1, 8, 1),
        "unexpected number token: expected \\n",
        "a rule ends here; the next begins with its name, in a row of its own",
    ),
    Slip("allow = true {", (1, 1, 12), "`if` keyword is required before rule body", "in Rego v1 it is allow = true if {"),
    Slip(
        'p := "a" "b"',
        (1, 10, 3),
        "unexpected string token: expected \\n",
        "a rule ends here; the next begins with its name, in a row of its own",
    ),
    Slip("p if { foo[bar }", (1, 16, 1), "unexpected } token: expected ]", "close the [ of row 2, column 11 before it"),
    Slip(
        'p if { x == "a }\n\nq := 1',
        (1, 13, 4),
        "non-terminated string",
        'close it with " in the same row; text of several rows stands in `...`',
    ),
    Slip("p := set(1", (1, 11, 1), "unexpected eof token: expected , or )", "close the ( of row 2, column 9"),
    Slip("p := null.x", (1, 6, 4), "illegal ref (head cannot be null)", "give it a name first: x := ..."),
    Slip("p := \ufeff1", (1, 6, 1), "illegal byte-order mark", "take it out, or write it as \\uXXXX"),
    Slip("p := 1\x00", (1, 7, 1), "illegal null character", "take it out, or write it as \\uXXXX"),
    Slip("p := \ud800", (1, 6, 1), "illegal utf-8 character", "take it out, or write it as \\uXXXX"),
    Slip(f"p := {'9' * 4001}", (1, 6, 4001), "number too big", "write it as a string"),
    Slip("p := 1e99999999999999999999", (1, 6, 22), "number too big", "write it as a string"),
    Slip(f"p := {'9' * 400}.5", (1, 6, 402), "number too big", "write it as a string"),
    Slip('default p := $"{x}"', (1, 17, 1), "illegal default rule (value cannot contain var)", "the default is a constant"),
    Slip("default p := [{1: {x}}]", (1, 20, 1), "illegal default rule (value cannot contain var)", "the default is a constant"),
    Slip(
        "p if { x with f(1) as 2 }",
        (1, 15, 1),
        "expected with target path",
        "with replaces input, data, a path below one of them, or a function",
    ),
    Slip("p := _(1)", (1, 6, 1), "a call needs the name of a function", "functions are called by their full name: data.a.f(x)"),
    Slip("p := (a.b).c", (1, 7, 3), "illegal ref (head cannot be ref)", "give it a name first: x := ..."),
    Slip("@", (1, 1, 1), "illegal @ character", 'a name has letters, digits and _; other keys stand in quotes: x["@a"]'),
    Slip("import data.a(1)", (1, 8, 6), "expected path", "the import is named by words between dots"),
    Slip("import _.x", (1, 8, 3), "expected path", "the import is named by words between dots"),
    Slip(
        "p := 1 else := 2",
        (1, 8, 4),
        "else keyword after a rule without body",
        "a rule without conditions has no other case: write name := value if { ... } first",
    ),
    Slip(
        "default p := 1 if { true }",
        (1, 16, 2),
        "illegal default rule (must have no body)",
        "it holds where no other rule of its name does",
    ),
    Slip("p if { x with input as }", (1, 24, 1), "unexpected } token: expected a term", "a term is missing before it"),
    Slip(
        "p if x {",
        (1, 8, 1),
        "unexpected { token: a rule has one body",
        "write the head again before it: each of the two rules counts on its own",
    ),
    Slip("p := [1, 2]\n  3", (2, 3, 1), "unexpected number token: expected a rule", "a rule begins with its name: allow if { ... }"),
    Slip("p if {\n  x := 1\n  y = = 2\n}", (3, 7, 1), "unexpected = token: expected a term", "write == in one word"),
    Slip("p if { not not x }", (1, 12, 3), "unexpected not keyword: expected a term", "not stands at the beginning of a condition"),
    Slip("p := f(x", (1, 9, 1), "unexpected eof token: expected , or )", "close the ( of row 2, column 7"),
    Slip("p[x].y(z) if", (1, 11, 2), "rule body expected after if", "write the conditions after it: if { ... }"),
    Slip("f(x).y := 1", (1, 5, 1), "unexpected . token: expected if or :=", "the name of a function ends before its arguments: a.f(x)"),
    Slip("improt data.x", (1, 1, 6), "unexpected identifier token: expected if, contains or :=", "did you mean import?"),
    Slip("p if { x := $`{a} }", (1, 13, 2), "non-terminated template string", "close it with `"),
    Slip('import data["a"][1]', (1, 18, 1), "only strings can stand in the path of the import", 'write other names in quotes: a["b-c"]'),
    Slip("import data.x as _", (1, 18, 1), "unexpected identifier token: expected var", "an alias is a name that is no keyword"),
    Slip("p if { every [a, b] in xs { a } }", (1, 14, 6), "expected value to be a variable", "take it apart inside the braces"),
    Slip(
        "p if { every x { a } }",
        (1, 14, 1),
        "expected `x[, y] in xs { ... }` expression",
        "every x in xs { ... }, or every k, v in xs { ... }",
    ),
    Slip("p if { x := }", (1, 13, 1), "unexpected } token: expected a term", "a term is missing before it"),
    Slip(
        'p if {\n\tinput.x == "a"\n\tinput.y == \u201cb\u201d\n}',
        (3, 13, 1),
        "illegal \u201c character",
        'strings stand in plain double quotes: "..."',
    ),
    Slip("p if { some x in }", (1, 18, 1), "unexpected } token: expected a term", "a term is missing before it"),
    Slip('p := {"a": }', (1, 12, 1), "unexpected } token: expected a term", "a term is missing before it"),
    Slip('p := "a\tb\\q"', (1, 10, 2), "illegal escape sequence in a string", "write \\\\ for a backslash, or the string in `...`"),
    Slip("import", (1, 7, 1), "unexpected eof token: expected the path of the import", "write it as import data.a.b"),
    Slip("p if { input.x[0 }", (1, 18, 1), "unexpected } token: expected ]", "close the [ of row 2, column 15 before it"),
    Slip("p := 1\\\n", (1, 7, 1), "illegal \\ character", "a row needs no \\ at its end"),
    Slip("foo if { x := *2 }", (1, 15, 1), "unexpected * token: expected a term", "an operator has a term on both sides"),
    Slip("p if { a <> b }", (1, 11, 1), "unexpected > token: expected a term", "write != for not equal"),
    Slip("p if { a === b }", (1, 12, 1), "unexpected = token: expected a term", "write == for a comparison"),
    Slip("p if { a =< b }", (1, 11, 1), "unexpected < token: expected a term", "write <= for at most"),
    Slip("p := {1: 2,, 3: 4}", (1, 12, 1), "unexpected , token: expected a term", "take one of the commas away"),
    Slip(
        'p if { x.["a"] }',
        (1, 10, 1),
        "unexpected [ token: expected identifier",
        'a name after a dot has letters, digits and _; other keys stand in brackets: x["a-b"]',
    ),
    Slip("p := x[]", (1, 8, 1), "unexpected ] token: expected a term", "a term is missing before it"),
    Slip(
        "p if { f(x)(y) }",
        (1, 12, 1),
        "unexpected ( token: expected \\n or ; or }",
        "give every condition a row of its own, or put a ; between them",
    ),
    Slip("p if { data.a[x](y) }", (1, 8, 9), "a call needs the name of a function", "functions are called by their full name: data.a.f(x)"),
    Slip('p := $"a\\qb"', (1, 9, 2), "illegal escape sequence in a string", "write \\\\ for a backslash, or the string in `...`"),
    Slip("p if not", (1, 9, 1), "unexpected eof token: expected a term", "a term is missing before it"),
    Slip(
        "p if { x } with input as y",
        (1, 12, 4),
        "unexpected with keyword: expected \\n",
        "a rule ends here; the next begins with its name, in a row of its own",
    ),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: repr(slip.text))
def test_a_slip_is_told_with_its_place_and_what_to_do(slip: Slip) -> None:
    with pytest.raises(Refused) as caught:
        parse_module("a.rego", HEAD + slip.text)
    first = caught.value.mistakes[0]
    row, col, width = slip.place
    assert (first.place.row - 1, first.place.col, first.place.width) == (row, col, width)
    assert (first.what, first.fix) == (slip.what, slip.fix)
    assert first.code == "rego_parse_error"
    assert first.place.file == "a.rego"
    assert "\n" not in first.what + first.fix


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", (1, 1), "empty module"),
        ("# nothing\n", (1, 1), "empty module"),
        ("p := 1", (1, 1), "package expected"),
        ("'a'", (1, 1), "illegal ' character"),
        ("package", (1, 8), "unexpected eof token: expected the path of the package"),
        ("package 1", (1, 9), "unexpected number token: expected the path of the package"),
        ("package a(b)", (1, 9), "expected path"),
        ("package a[b]", (1, 11), "only strings can stand in the path of the package"),
        ("package _", (1, 9), "expected path"),
    ],
)
def test_a_file_begins_with_its_package(text: str, place: tuple[int, int], what: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_module("a.rego", text)
    first = caught.value.mistakes[0]
    assert ((first.place.row, first.place.col), first.what) == (place, what)
