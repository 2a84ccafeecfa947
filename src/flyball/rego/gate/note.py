"""What the gate finds, and the tree that it lets through. Called by every stage."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from flyball.rego.error import Mistake, Place, Refused
from flyball.rego.tree import Rule
from flyball.rego.work import spend

COMPILE = "rego_compile_error"
TYPE = "rego_type_error"
UNSAFE = "rego_unsafe_var_error"
RECURSION = "rego_recursion_error"
WARNING = "warning"
HINTED = 20  # mistakes that are told what was likely meant
NAME = 100  # characters of names that are compared
HINT = 4  # units of work for each


@dataclass(slots=True)
class Notes:
    """Mistakes and warnings, gathered stage by stage."""

    mistakes: dict[Mistake, None] = field(default_factory=dict)
    warnings: list[Mistake] = field(default_factory=list)

    def wrong(self, place: Place, code: str, what: str, fix: str = "") -> None:
        """Takes a mistake in, once."""
        self.mistakes.setdefault(Mistake(place, code, what, fix))

    def near(self, name: str, known: Callable[[], Iterable[str]], least: float) -> str:
        """The name that is most alike, of those at least so alike; empty where there is none, and where looking for it takes too long."""
        if len(self.mistakes) >= HINTED or len(name) > NAME:
            return ""
        names = [one for one in known() if len(one) <= NAME]
        spend(HINT * len(names))
        return next(iter(get_close_matches(name, names, 1, least)), "")

    def warn(self, place: Place, what: str, fix: str = "") -> None:
        """Takes a warning in."""
        self.warnings.append(Mistake(place, WARNING, what, fix))

    def settle(self) -> None:
        """Ends a stage.

        Raises:
            Refused: there are mistakes; the next stage would only speak of their consequences.
        """
        if self.mistakes:
            raise Refused(self.mistakes)


@dataclass(frozen=True, slots=True)
class Checked:
    """A set of policies without a mistake.

    Attributes:
        rules: every rule: its name is a `Ref` from `data`, its variables are unique, its bodies can be run from top to bottom, a call of a
            rule is named `("data", ...)`.
        packages: the package of every module, also of those without rules.
        warnings: what is no mistake but worth a look, in order of place.
    """

    rules: tuple[Rule, ...]
    packages: frozenset[tuple[str, ...]]
    warnings: tuple[Mistake, ...] = ()
