"""Modules and queries: the two doors of the parser."""

from typing import Final

from flyball.rego.error import Mistake, Place, Refused
from flyball.rego.front.annotation import annotated
from flyball.rego.front.cursor import Slip
from flyball.rego.front.lexer import KEYWORDS, Lexer, Token
from flyball.rego.front.rule import Rules
from flyball.rego.tree import Body, Import, Module, Ref, Rule, Scalar, Term, Var
from flyball.rego.work import READ, spend

SIZE: Final = 2_000_000
"""How long a text may be, in characters."""

_MISTAKES: Final = 20
_ROOTS: Final = ("data", "future", "input", "rego")
_FUTURE: Final = ("contains", "every", "if", "in")


def parse_module(file: str, text: str) -> Module:
    """The tree of one file; raises Refused with every mistake found."""
    lexer = _scan(file, text)
    read = _Reader(file, lexer)
    statements: list[Import | Rule] = []
    package: tuple[str, ...] = ()
    mistakes: list[Mistake] = []
    while not (package or mistakes) or (read.token.kind != "eof" and len(mistakes) < _MISTAKES):
        mark = read.at
        try:
            if package or mistakes:
                statements.append(read.statement())
            else:
                package = read.package()
        except Slip as slip:
            mistakes.append(slip.mistake)
            read.recover(mark)
        except RecursionError:
            mistakes.append(read.overflow())
            break
    imports = tuple(one for one in statements if isinstance(one, Import))
    rules = tuple(one for one in statements if isinstance(one, Rule))
    module = Module(file, package, imports, rules, text=text, place=read.place(read.tokens[0]))
    if not mistakes:
        module, mistakes = annotated(module, lexer.comments)
    if mistakes:
        raise Refused(dict.fromkeys(mistakes))
    return module


def parse_body(file: str, text: str) -> Body:
    """The expressions of a query, in rows of their own or apart by `;`; raises Refused."""
    read = _Reader(file, _scan(file, text))
    try:
        return read.exprs("eof") or ()
    except Slip as slip:
        mistake = slip.mistake
    except RecursionError:
        mistake = read.overflow()
    raise Refused([mistake])


def _scan(file: str, text: str) -> Lexer:
    if len(text) > SIZE:
        what = f"the text has {len(text)} characters, at most {SIZE} are read"
        raise Refused([Mistake(Place(file, 1, 1), "rego_parse_error", what, "put large data into a data file")])
    spend(READ * len(text))
    return Lexer(text).scan()


class _Reader(Rules):
    """A cursor that reads whole files."""

    def package(self) -> tuple[str, ...]:
        """`package a.b["c"]`."""
        if self.token.kind == "bad":
            self.unexpected("package")
        if self.token.kind != "package":
            self.slip("empty module" if self.token.kind == "eof" else "package expected", "begin the file with package NAME")
        self.step()
        return self._dotted("package", self.token)

    def statement(self) -> Import | Rule:
        """The import or rule that begins here."""
        if self.token.kind == "import" and not self.touches():
            return self._import()
        if self.token.kind == "package" and not self.touches():
            self.slip("unexpected package", "a file has one package, in its first row")
        return self.rule()

    def overflow(self) -> Mistake:
        """That the text cannot be read so deep in the stack of the program."""
        return Mistake(self.place(self.token), "rego_parse_error", "nested too deeply", "give parts of it names, in rules of their own")

    def _dotted(self, what: str, start: Token) -> tuple[str, ...]:
        """A path of names, keywords among them."""
        if start.kind in KEYWORDS:
            self._as_name()
        elif start.kind != "ident":
            self.unexpected(f"the path of the {what}", f"write it as {what} data.a.b" if what == "import" else "write it as package a.b")
        term: Term = self.term()
        if isinstance(term, Var) and not term.wild:
            return (term.name,)
        if not isinstance(term, Ref) or not isinstance(term.head, Var) or term.head.wild:
            self.slip("expected path", f"the {what} is named by words between dots", term.place)
        path = [term.head.name]
        for part in term.path:
            if not isinstance(part, Scalar) or not isinstance(part.value, str):
                self.slip(f"only strings can stand in the path of the {what}", 'write other names in quotes: a["b-c"]', part.place)
            path.append(part.value)
        return tuple(path)

    def _import(self) -> Import:
        """`import data.a.b as c`."""
        start = self.step()
        first = self.token
        path = self._dotted("import", first)
        place = self.since(first)
        if path[0] not in _ROOTS:
            self.slip(
                f"unexpected import path, must begin with one of: {{{', '.join(_ROOTS)}}}, got: {path[0]}",
                f"import data.{'.'.join(path)}",
                place,
            )
        alias = ""
        if self.token.kind == "as":
            self.step()
            if self.token.kind != "ident" or self.token.text == "_":
                self.unexpected("var", "an alias is a name that is no keyword")
            alias = self.step().text
        if path[0] == "rego" and path != ("rego", "v1"):
            self.slip(
                f"invalid import `{'.'.join(path)}`, must be `rego.v1`", "import rego.v1, or nothing: it is what is read anyway", place
            )
        if path[0] == "future":
            self._check_future(path, alias, place)
        elif not alias and path[-1] in KEYWORDS:
            self.slip(
                f"unexpected import path, must not end with a keyword, got: {path[-1]}",
                f"give it an alias: import {'.'.join(path)} as {path[-1]}_",
                place,
            )
        return Import(path, alias, self.since(start))

    def _check_future(self, path: tuple[str, ...], alias: str, place: Place) -> None:
        if path[1:2] != ("keywords",):
            self.slip("invalid import, must be `future.keywords`", "take it away: every keyword is known", place)
        if alias:
            self.slip("`future` imports cannot be aliased", "take the alias away", place)
        if path[2:] and (path[3:] or path[2] not in _FUTURE):
            self.slip(f"unexpected keyword, must be one of {', '.join(_FUTURE)}", "take it away: every keyword is known", place)

    def recover(self, mark: int) -> None:
        """Goes to where the next statement surely begins, after the one that began at `mark` and has a mistake here."""
        row = self.token.row
        index = self.at
        while index > mark + 1 and self.tokens[index - 1].row == row:
            index -= 1
        self.open.clear()
        while not self._begins(index, mark):
            index += 1
        self.back(index)

    def _begins(self, index: int, mark: int) -> bool:
        token = self.tokens[index]
        if token.kind == "eof":
            return True
        if index <= mark or token.col != 1 or token.kind not in {"ident", "default", "import"}:
            return False
        before = self.tokens[index - 1]
        return token.row > before.row + 1 or (before.kind == "}" and before.col == 1)
