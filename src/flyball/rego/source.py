"""Reads Rego source far enough to refuse what the rego-cpp compiler lets through. Called by `backends/policy_*`.

rego-cpp 1.5 accepts v0 syntax, undeclared variables and unknown functions, and ends the whole process on some uses of
`with`. So a module is read here first, as tokens: each variable must be declared in its rule (`:=`, `some x in xs`,
`every x in xs`, or a function's parameter), each other name must be a rule, an import, a builtin, `input` or `data`.
That is stricter than Rego: a variable that unification would bind (`x = input.y`, `xs[i]`) is refused as undeclared.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_KEYWORDS = "package import as default if else contains not some every in with true false null set input data _"
KEYWORDS = frozenset(_KEYWORDS.split())

# Pure builtins that end by themselves. What reads a clock, a network, an environment or makes lists of any length
# (http.send, time.now_ns, rand.intn, opa.runtime, numbers.range, walk) is left out, so it is refused by its name.
_BUILTINS = """
abs ceil floor round count sum product max min sort array.concat array.reverse array.slice intersection union
object.get object.keys object.remove object.filter object.union object.union_n object.subset json.filter json.remove json.marshal
concat contains endswith startswith format_int indexof indexof_n lower upper replace split sprintf substring
strings.any_prefix_match strings.any_suffix_match strings.count strings.reverse strings.replace_n
trim trim_left trim_prefix trim_right trim_suffix trim_space regex.match regex.is_valid regex.replace regex.split
glob.match is_array is_boolean is_null is_number is_object is_set is_string type_name to_number
units.parse units.parse_bytes time.parse_rfc3339_ns time.date time.clock time.weekday time.add_date time.diff
semver.compare semver.is_valid bits.and bits.or crypto.sha256
"""
BUILTINS = frozenset(_BUILTINS.split())

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)|(?P<line>\n)|(?P<template>\$["`])
    |(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>:=|==|!=|<=|>=|[-+*/%&|<>=.,;:(){}\[\]])|(?P<odd>.)""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = "([{", ")]}"
Scope = tuple[int, ...]
_SIGNS = ":= = == != < <= > >= + - * / % & | , ."
_JOINS = frozenset([*_SIGNS.split(), "if", "else", "contains", "in"])
_CARRIES_ON = _JOINS | {"not", "default", "some", "every"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a policy set: where, what, why it matters, what to do. Lines and columns count from 1."""

    file: str
    line: int
    col: int
    what: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `first` says that it starts its line, `depth` counts the brackets around it."""

    kind: str
    text: str
    line: int
    col: int
    first: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Module:
    """One source file, split into its statements. `rules` are the names that it defines, in order."""

    file: str
    package: str
    rego_v1: bool
    aliases: frozenset[str]
    statements: tuple[tuple[Token, ...], ...]
    rules: tuple[str, ...]


def read(file: str, text: str) -> Module:
    """Splits one file into statements. Never raises: text that is no Rego gives a module with odd tokens in it."""
    package, rego_v1, aliases, kept, rules = "", False, set[str](), [], []
    for statement in _statements(_tokens(text)):
        words = [token.text for token in statement]
        if words[0] == "package":
            package = "".join(words[1:])
        elif words[0] == "import":
            rego_v1 = rego_v1 or words[1:] == ["rego", ".", "v1"]
            aliases.add(words[-1])
        else:
            kept.append(tuple(statement))
            rules.append(_rule_name(statement))
    return Module(file, package, rego_v1, frozenset(aliases), tuple(kept), tuple(rules))


def lint_form(module: Module) -> Iterator[Finding]:
    """What must be refused before rego-cpp sees the text at all."""
    if not module.rego_v1:
        why = "without it the file is read as old Rego, where rules mean something else"
        yield Finding(module.file, 1, 1, "`import rego.v1` is missing", why, "add `import rego.v1` below the package")
    if not module.package:
        yield Finding(module.file, 1, 1, "the package is missing", "no rule in it can be asked", "start with `package`")
    for statement in module.statements:
        for before, token in pairwise((None, *statement)):
            if token is not None:
                yield from _lint_form_token(module.file, before, token)


def _lint_form_token(file: str, before: Token | None, token: Token) -> Iterator[Finding]:
    at = (file, token.line, token.col)
    if token.kind == "odd":
        yield Finding(*at, f"unexpected `{token.text}`", "it is no part of Rego", "remove it or close the string")
    elif token.kind == "template":
        yield Finding(*at, "template string", "names inside it are not checked", "use sprintf")
    elif token.text == "with" and token.kind == "name":
        yield Finding(*at, "`with` replaces facts", "a rule must judge the facts that it is given", "write a case")
    elif token.text == "{" and token.depth == 0 and before is not None and _ends_value(before):
        why = "this is old Rego (v0), where a missing word changes what a rule means"
        yield Finding(*at, "a rule's body without `if`", why, "write `if {`, or `contains x if {` for a set")


def lint_set(modules: Sequence[Module], entrypoint: str) -> Iterator[Finding]:
    """What concerns the set as a whole: the entrypoint (`package/rule`) is there, and no rule has two defaults."""
    package, _, answer = entrypoint.rpartition("/")
    package = package.replace("/", ".")
    if not any(module.package == package and answer in module.rules for module in modules):
        fix = f"define `{answer}` in package {package}"
        yield Finding(modules[0].file, 1, 1, f"no rule `{package}.{answer}`", "it is what the door asks", fix)
    seen: set[tuple[str, str]] = set()
    for module in modules:
        if module.package != package and not module.package.startswith(f"{package}."):
            what = f"package `{module.package}`"
            yield Finding(module.file, 1, 1, what, "nothing asks it", f"write `package {package}`")
        for statement, rule in zip(module.statements, module.rules, strict=True):
            at = (module.file, statement[0].line, statement[0].col)
            if rule in BUILTINS | KEYWORDS:
                why = "it hides the builtin or keyword of that name in every rule"
                yield Finding(*at, f"a rule named `{rule}`", why, "choose another name")
            if statement[0].text == "default":
                if (module.package, rule) in seen:
                    yield Finding(*at, f"a second default for `{rule}`", "only one can hold", "remove one of them")
                seen.add((module.package, rule))


def lint_unused(modules: Sequence[Module], entrypoint: str) -> Iterator[Finding]:
    """Every rule but the entrypoint and `test_*` must be read by another: a misspelt `deny` would never deny."""
    used = {entrypoint.rpartition("/")[2]}
    for module in modules:
        for statement, rule in zip(module.statements, module.rules, strict=True):
            used |= {token.text for token in statement if token.kind == "name" and token.text != rule}
    for module in modules:
        for statement, rule in zip(module.statements, module.rules, strict=True):
            if rule not in used and not rule.startswith("test_"):
                at = (module.file, statement[0].line, statement[0].col)
                yield Finding(*at, f"no rule reads `{rule}`", "it changes no answer", "correct its name, or remove it")


def lint_names(modules: Sequence[Module]) -> Iterator[Finding]:
    """Every name must be declared in its rule, or be a rule of the package, an import, a builtin, input or data."""
    for module in modules:
        shared = {name for other in modules if other.package == module.package for name in other.rules}
        for statement in module.statements:
            yield from _lint_some(module.file, statement)
            yield from _lint_statement(module.file, statement, shared | module.aliases)


def _lint_some(file: str, statement: Sequence[Token]) -> Iterator[Finding]:
    for place, token in enumerate(statement):
        if token.text == "some" and token.kind == "name" and _until_in(statement, place) is None:
            why = "a variable that nothing binds is undefined, and a rule that reads it never fires"
            yield Finding(file, token.line, token.col, "`some` without `in`", why, "write `some x in xs`")


def _lint_statement(file: str, statement: Sequence[Token], shared: set[str]) -> Iterator[Finding]:
    scopes = _scopes(statement)
    declared = list(_declared(statement, scopes))
    place = 0
    while place < len(statement):
        token = statement[place]
        if token.kind != "name" or token.text in KEYWORDS - {"contains"} or _after_dot(statement, place):
            place += 1
            continue
        path, after = _path(statement, place)
        here = scopes[place]
        known = shared | {name for name, scope in declared if here[: len(scope)] == scope}
        called = after < len(statement) and statement[after].text == "(" and _touches(statement, after)
        if called and path not in BUILTINS and path.split(".", 1)[0] not in known:
            what = f"unknown function `{path}`"
            why = "the engine takes it for undefined, and a rule that calls it never fires"
            yield Finding(file, token.line, token.col, what, why, "correct its name; only pure builtins are available")
        elif not called and token.text not in known and token.text != "contains":
            why = "the engine takes it for undefined, and a rule that reads it never fires"
            fix = "declare it in this rule with `:=` or `some x in xs`, or correct its name"
            yield Finding(file, token.line, token.col, f"unknown name `{token.text}`", why, fix)
        place = after


def _tokens(text: str) -> Iterator[Token]:
    line, start, first, depth = 1, 0, True, 0
    for match in _TOKEN.finditer(text):
        kind, word = str(match.lastgroup), match.group()
        if kind not in {"space", "line"}:
            if word in _CLOSE and kind == "sign":
                depth -= 1
            yield Token(kind, word, line, match.start() - start + 1, first, depth)
            if word in _OPEN and kind == "sign":
                depth += 1
            first = False
        breaks = word.count("\n")
        if breaks:
            line, start, first = line + breaks, match.start() + word.rfind("\n") + 1, kind == "line"


def _statements(tokens: Iterator[Token]) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token in tokens:
        fresh = token.first and token.depth == 0 and token.text not in _JOINS | set(_CLOSE)
        if statement and fresh and statement[-1].text not in _CARRIES_ON:
            yield statement
            statement = []
        statement.append(token)
    if statement:
        yield statement


def _rule_name(statement: Sequence[Token]) -> str:
    place = 1 if statement[0].text == "default" and len(statement) > 1 else 0
    return statement[place].text


def _scopes(statement: Sequence[Token]) -> list[Scope]:
    """For each token the brackets around it, outermost first; the first entry tells the branches of `else` apart.

    The braces of a rule's body do not count: what is declared there is seen by the rule's head.
    """
    around, scopes = [0], list[Scope]()
    for place, token in enumerate(statement):
        if token.kind == "sign" and token.text in _CLOSE and len(around) > 1:
            around.pop()
        if token.depth == 0 and token.text == "else":
            around = [place]
        scopes.append(tuple(opener for opener in around if opener >= 0))
        if token.kind == "sign" and token.text in _OPEN:
            body = token.depth == 0 and place > 0 and statement[place - 1].text == "if"
            around.append(-1 if body else place)
    return scopes


def _declared(statement: Sequence[Token], scopes: Sequence[Scope]) -> Iterator[tuple[str, Scope]]:
    """Each variable that the statement declares, with the scope that sees it."""
    if len(statement) > 1 and statement[1].text == "(" and _touches(statement, 1):
        yield from ((token.text, ()) for token in _bracket(statement, 1) if token.kind == "name")
    for place, token in enumerate(statement):
        if token.text in {"some", "every"} and token.kind == "name":
            until = _until_in(statement, place)
            bound = statement[place + 1 : until] if until else ()
            yield from ((it.text, scopes[place]) for it in bound if it.kind == "name")
        elif token.text == ":=" and place > 0 and statement[place - 1].kind == "name":
            yield statement[place - 1].text, scopes[place]


def _until_in(statement: Sequence[Token], place: int) -> int | None:
    """Where the `in` of the `some` or `every` at `place` stands, if it has one."""
    opener = statement[place]
    for offset, token in enumerate(statement[place + 1 :], place + 1):
        if token.depth <= opener.depth and token.kind == "name" and token.text == "in":
            return offset
        if token.first or token.depth < opener.depth or token.text in {";", ":=", "|"}:
            return None
    return None


def _bracket(statement: Sequence[Token], place: int) -> Iterator[Token]:
    depth = statement[place].depth
    for token in statement[place + 1 :]:
        if token.depth <= depth:
            return
        yield token


def _path(statement: Sequence[Token], place: int) -> tuple[str, int]:
    """The dotted name at `place` and the place after it."""
    words, after = [statement[place].text], place + 1
    while after + 1 < len(statement) and statement[after].text == "." and statement[after + 1].kind == "name":
        words.append(statement[after + 1].text)
        after += 2
    return ".".join(words), after


def _after_dot(statement: Sequence[Token], place: int) -> bool:
    return place > 0 and statement[place - 1].text == "."


def _touches(statement: Sequence[Token], place: int) -> bool:
    before, token = statement[place - 1], statement[place]
    return before.line == token.line and before.col + len(before.text) == token.col


def _ends_value(token: Token) -> bool:
    if token.kind == "name":
        return token.text not in KEYWORDS - {"input", "data", "_", "true", "false", "null"}
    return token.kind in {"text", "number"} or token.text in set(_CLOSE)
