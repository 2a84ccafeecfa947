"""The whole tree of errors that a caller may meet.

FlyballError
├── UserError            what, why, fix: one line each, shown to a person as they are; exit code and HTTP status with it
│   ├── BadInput         2 / 422   malformed or wrong by schema
│   ├── NotFound         3 / 404
│   ├── SignInNeeded     4 / 401   no key, or one that does not count any more
│   ├── Denied           5 / 403   authenticated, but not allowed
│   ├── Waits            6 / 202   waits for an approval
│   ├── Moved            7 / 409   digest or version changed in the meantime
│   ├── Unreachable      8 / 503   a dependency does not answer, or not in time
│   ├── ProofFailed      9 / 500   the log does not verify
│   ├── TooLarge         2 / 413
│   └── NotReady         1 / 503   the server may not act: no policy, no sandbox, no state
└── StoreError           what the store refuses, for the core to act on
    ├── Conflict         a row's version moved, or a counter would pass its cap: gather again
    ├── Fenced           the session has a newer epoch: this process has lost it
    └── StoreFull        nothing was written: disk full or not writable

Outcomes of actions are values (`model.action.Outcome`), never exceptions.
"""

from __future__ import annotations


class FlyballError(Exception):
    """Root of all errors here."""


class UserError(FlyballError):
    """One line what, one line why, one line what to do next."""

    exit_code = 1
    status = 500

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        """Keep the three lines."""
        super().__init__(what)
        self.what, self.why, self.fix = what, why, fix

    def lines(self) -> str:
        """Give the message as it is printed: what, why, next; empty parts left out."""
        return "\n".join(part for part in (self.what, self.why and f"why: {self.why}", self.fix and f"next: {self.fix}") if part)


class BadInput(UserError):
    """Malformed, or wrong by its schema."""

    exit_code, status = 2, 422


class TooLarge(UserError):
    """Over the size limit."""

    exit_code, status = 2, 413


class NotFound(UserError):
    """No such thing."""

    exit_code, status = 3, 404


class SignInNeeded(UserError):
    """No key, or one that does not count any more."""

    exit_code, status = 4, 401


class Denied(UserError):
    """Authenticated, but not allowed."""

    exit_code, status = 5, 403


class Waits(UserError):
    """Waits for an approval."""

    exit_code, status = 6, 202


class Moved(UserError):
    """Digest or version changed in the meantime."""

    exit_code, status = 7, 409


class Unreachable(UserError):
    """A dependency does not answer, or not in time."""

    exit_code, status = 8, 503


class ProofFailed(UserError):
    """The log does not verify."""

    exit_code, status = 9, 500


class NotReady(UserError):
    """The server may not act: no policy, no sandbox, no state."""

    exit_code, status = 1, 503


class StoreError(FlyballError):
    """The store refused a change; nothing of it was written."""


class Conflict(StoreError):
    """A version moved or a counter would pass its cap. `what` names the row, account or bucket."""

    def __init__(self, what: str) -> None:
        """Keep what it was about."""
        super().__init__(what)
        self.what = what


class Fenced(StoreError):
    """The session has a newer epoch."""


class StoreFull(StoreError):
    """Disk full or not writable: nothing was written, nothing may happen."""
