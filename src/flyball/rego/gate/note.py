"""What the gate finds, and the tree that it lets through. Called by every stage."""

from dataclasses import dataclass, field

from flyball.rego.error import Mistake, Place, Refused
from flyball.rego.tree import Rule

COMPILE = "rego_compile_error"
TYPE = "rego_type_error"
UNSAFE = "rego_unsafe_var_error"
RECURSION = "rego_recursion_error"
WARNING = "warning"


@dataclass(slots=True)
class Notes:
    """Mistakes and warnings, gathered stage by stage."""

    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)

    def wrong(self, place: Place, code: str, what: str, fix: str = "") -> None:
        """Takes a mistake in, once."""
        one = Mistake(place, code, what, fix)
        if one not in self.mistakes:
            self.mistakes.append(one)

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
