"""A set of policies, ready to be asked. The front door of this package.

A `Policy` never changes and may be asked by several threads at once. To change the rules, compile anew and replace the reference; to
change the data, hand in other data: nothing is copied or kept between evaluations.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from flyball.rego import ir
from flyball.rego.builtin import World
from flyball.rego.bundle import read as unpacked
from flyball.rego.bundle import unpack
from flyball.rego.code import Compiled, generate
from flyball.rego.error import NOWHERE, Fault, Mistake, OverLimit, Refused
from flyball.rego.front import parse_body, parse_module
from flyball.rego.limit import NOW, Limits, Meter
from flyball.rego.planner import QUERY, build
from flyball.rego.read import parsed_plan, read
from flyball.rego.run import Memory, view
from flyball.rego.trace import Recorder, Trace, lines
from flyball.rego.tree import Module, Var
from flyball.rego.value import UNDEFINED, Set, Value, plain
from flyball.rego.work import MOST, counted

DEFAULT: Final = Limits()
EMPTY: Final[Mapping[str, Value]] = MappingProxyType({})
RESULT: Final = "result"
AROUND: Final = 3  # levels around a result and below it that do not count: the list, its objects, the innermost scalars


class Policy:
    """A compiled set of policies.

    Attributes:
        digest: `sha256:` and the hash of everything that decides what it answers, in hexadecimal digits.
        entrypoints: what it can be asked, as OPA names it: `pkg/rule`. `data.pkg.rule` means the same.
        limits: what one evaluation may cost.
        program: its plan; None where only its code was handed over (`pack`): then it does not explain itself.
    """

    __slots__ = ("_traced", "compiled", "digest", "entrypoints", "limits", "program", "strict")

    def __init__(self, program: ir.Program | None, digest: str, *, strict: bool, limits: Limits, compiled: Compiled | None = None) -> None:
        self.compiled = compiled or _generated(program, strict=strict)
        self._traced: Compiled | None = None  # made when it is first asked for; twice at the same time does no harm
        self.program = program
        self.digest = digest
        self.strict = strict
        self.limits = limits
        self.entrypoints = tuple(self.compiled.plans)

    def __del__(self) -> None:
        """Its functions and the table of their names hold each other: let go of them now, not when garbage is looked for."""
        for made in (getattr(self, "compiled", None), getattr(self, "_traced", None)):
            for plan in (made.plans if made else {}).values():
                plan.__globals__.clear()  # in plain words: a `cast` is gone by the time that Python ends

    def eval(
        self,
        entrypoint: str,
        input: Value = UNDEFINED,  # noqa: A002 - a document of Rego has this name
        data: Mapping[str, Value] = EMPTY,
        world: World | None = None,
    ) -> Value:
        """What the entrypoint says of this input and data, or `UNDEFINED`; of a query (`eval`), the list of its answers.

        `input` and `data` are values as `json.loads` gives them; they are neither copied nor changed. Raises Fault: Conflict, BuiltinFault
        (only when compiled strict), OverLimit.
        """
        return answer(self.results(entrypoint, input, data, world), entrypoint)

    def results(
        self,
        entrypoint: str,
        input: Value = UNDEFINED,  # noqa: A002 - a document of Rego has this name
        data: Mapping[str, Value] = EMPTY,
        world: World | None = None,
    ) -> list[Value]:
        """Everything that the entrypoint's plan adds to its results: one object per answer of a query."""
        return self._asked(self.compiled, entrypoint, (input, data), World() if world is None else world, None)

    def explain(
        self,
        entrypoint: str,
        input: Value = UNDEFINED,  # noqa: A002 - a document of Rego has this name
        data: Mapping[str, Value] = EMPTY,
        world: World | None = None,
    ) -> Trace:
        """The same evaluation with its reasons. A fault that ends it is told, not raised; documents too deep to be told raise OverLimit."""
        if self._traced is None:
            if self.program is None:
                raise Fault("a policy that was handed over without its plan does not explain itself")
            self._traced = generate(self.program, strict=self.strict, traced=True)
        world = World() if world is None else world
        told = "" if input is UNDEFINED else _digested(input), _digested(dict(data))
        recorder, result, fault = Recorder(self._traced.charts), UNDEFINED, ""
        try:
            found = self._asked(self._traced, entrypoint, (input, data), world, recorder)
            result = answer(found, entrypoint)
        except Fault as ended:
            fault = f"{ended.code}: {ended.what}"
        return Trace(
            entrypoint=entrypoint,
            policy=self.digest,
            input=told[0],
            data=told[1],
            now_ns=world.now_ns,
            seed=world.seed,
            result=result,
            fault=fault,
            rules=recorder.asked(),
            reached=recorder.reached(),
            lines=lines(self._traced.charts),
            printed=tuple(world.printed),
        )

    def _asked(
        self, compiled: Compiled, entrypoint: str, documents: tuple[Value, Mapping[str, Value]], world: World, trace: Recorder | None
    ) -> list[Value]:
        plan = compiled.plans.get(entrypoint) or compiled.plans.get(_path(entrypoint))
        if plan is None:
            raise Fault(f"there is no entrypoint {entrypoint}: {', '.join(self.entrypoints) or 'the policy has none'}")
        given, data = documents
        held = data if type(data) is dict else dict(data)
        meter, outer = Meter(self.limits), NOW.meter
        memory: Memory = [meter, world, None, given, held, view(given), trace, *compiled.blank]
        NOW.meter = meter
        try:
            found = plan(memory)
            measure(found, self.limits)
        except RecursionError:
            raise OverLimit("values or calls are nested too deeply") from None
        except MemoryError:
            raise OverLimit("the evaluation took more memory than there is") from None
        finally:
            NOW.meter = outer
        return found


def _generated(program: ir.Program | None, *, strict: bool) -> Compiled:
    try:
        return generate(program or ir.Program((), ()), strict=strict)
    except RecursionError:
        raise Refused([Mistake(NOWHERE, "rego_compile_error", "the policy is nested too deeply")]) from None


def answer(results: list[Value], entrypoint: str) -> Value:
    """The answer that a plan's results are: of a query all of them, else the first one's `result`."""
    if entrypoint == QUERY:
        return results
    return results[0].get(RESULT, UNDEFINED) if results else UNDEFINED


def measure(value: Value, limits: Limits) -> None:
    """Raises OverLimit where a result is too large or too deep."""
    left, level, depth = limits.size, [value], 0
    while level:
        below: list[Value] = []
        for one in level:
            kind = type(one)
            if kind is str:
                left -= len(one) >> 6
            elif kind is list:
                below += one
            elif kind is dict or kind is Set:
                below += (one if kind is dict else one.held).values()
            if left < len(below):
                raise OverLimit(f"the result has more than {limits.size} members")
        left -= len(below)
        depth += 1
        if depth > limits.depth + AROUND:
            raise OverLimit(f"the result is nested more than {limits.depth} deep")
        level = below


def compile(  # noqa: A001 - it is called as `rego.compile`
    modules: Mapping[str, str],
    *,
    entrypoints: Iterable[str] = (),
    schema: Mapping[str, Any] | None = None,
    strict: bool = False,
    limits: Limits = DEFAULT,
) -> Policy:
    """The policy that a set of Rego v1 files says.

    Args:
        modules: file name -> text.
        entrypoints: what will be asked, `pkg/rule` or `data.pkg.rule`; where none is named, every package and every rule of a plain name.
        schema: a JSON Schema of the input: fields that it does not have are refused.
        strict: whether a builtin's error ends the evaluation, instead of making its call undefined.
        limits: what one evaluation may cost.

    Raises:
        Refused: the set has mistakes; it holds all that were found.
    """
    with counted(sum(map(len, modules.values()))):
        parsed = parse(modules)
        named = [_path(one) for one in entrypoints] or every(parsed)
        program = build(parsed, named, schema=schema)
        return Policy(program, digest(dict(modules), sorted(named), strict), strict=strict, limits=limits)


def compile_query(modules: Mapping[str, str], query: str, *, strict: bool = False, limits: Limits = DEFAULT) -> Policy:
    """A query over a set of files, as the entrypoint `eval`: a list with an object of the query's variables for every answer."""
    with counted(sum(map(len, modules.values())) + len(query)):
        program = build(parse(modules), query=parse_body("query", query))
        return Policy(program, digest(dict(modules), query, strict), strict=strict, limits=limits)


def compile_plan(plan: Mapping[str, Any] | bytes, *, strict: bool = False, limits: Limits = DEFAULT) -> Policy:
    """The policy that OPA made into a plan (`opa build -t plan`, plan.json). Raises Refused."""
    with counted(len(plan) if isinstance(plan, bytes | str) else MOST):
        whole = parsed_plan(plan)
        return Policy(read(whole), digest(whole, strict), strict=strict, limits=limits)


def compile_bundle(
    raw: bytes, *, entrypoints: Iterable[str] = (), strict: bool = False, limits: Limits = DEFAULT
) -> tuple[Policy, Mapping[str, Any]]:
    """The policy and the data of a bundle that OPA made (`bundle.tar.gz`): from its plan where it has one, else from its modules.

    `entrypoints` counts for modules only: a plan has its own. Raises Refused.
    """
    held = unpacked(unpack(raw))
    if held.plan:
        return compile_plan(held.plan, strict=strict, limits=limits), held.data
    if not held.modules:
        raise Refused([Mistake(NOWHERE, "rego_load_error", "the bundle holds neither a plan nor a module")])
    return compile(held.modules, entrypoints=entrypoints, strict=strict, limits=limits), held.data


def parse(modules: Mapping[str, str]) -> list[Module]:
    """The trees of a set of files; raises Refused with the mistakes of all of them."""
    parsed: list[Module] = []
    mistakes: list[Mistake] = []
    with counted(sum(map(len, modules.values()))):
        for file, text in modules.items():
            try:
                parsed.append(parse_module(file, text))
            except Refused as fault:
                mistakes += fault.mistakes
    if mistakes:
        raise Refused(dict.fromkeys(mistakes))
    return parsed


def every(modules: Iterable[Module]) -> list[str]:
    """All packages, and all rules that have a plain name and take no operands."""
    found: dict[str, None] = {}
    for module in modules:
        package = "/".join(module.package)
        found[package] = None
        for rule in module.rules:
            if rule.args is None and isinstance(rule.name, Var):
                found[f"{package}/{rule.name.name}"] = None
    return list(found)


def _path(entrypoint: str) -> str:
    """An entrypoint as OPA names it."""
    return entrypoint.removeprefix("data.").replace(".", "/") if "/" not in entrypoint else entrypoint


def _digested(value: Value) -> str:
    try:
        return digest(plain(value))
    except RecursionError:
        raise OverLimit("the input or the data is nested too deeply to be told") from None


def digest(*parts: Any) -> str:
    """`sha256:` and the hash of a text that says all of this."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"
