"""The program `flyball`: its commands by section, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from flyball import settings
from flyball.errors import UserError
from flyball.faces.cli.desk import Desk
from flyball.faces.cli.lazy import Lazy

TABLE = {
    "Start": {
        "init": ("start:init", "Write a commented project."),
        "up": ("serve:up", "Start the server of a project."),
        "demo": ("demo:demo", "Three real incidents on this machine, from alert to proof."),
        "doctor": ("doctor:doctor", "Check this machine and the project, with a fix for each finding."),
        "login": ("give:login", "Print a one-time link to the console."),
        "status": ("start:status", "Show what the server has loaded and what waits."),
        "version": ("start:version", "Show the version."),
    },
    "Decide": {
        "approvals": ("decide:approvals", "List and show what waits for a yes."),
        "approve": ("decide:approve", "Say yes to exactly one action."),
        "reject": ("decide:reject", "Say no to an action."),
        "edit": ("decide:edit", "Replace an action's arguments: a new action, judged anew."),
        "changes": ("decide:changes", "Send an action back with what should be different."),
        "reviews": ("decide:reviews", "Look at what ran without asking."),
        "grants": ("decide:grants", "Give, list and revoke standing grants."),
    },
    "Run": {
        "sessions": ("work:sessions", "List, show and steer sessions."),
        "run": ("work:run", "Open a session from a task spec."),
        "signals": ("work:signals", "Send a signal by hand."),
        "explain": ("look:explain", "Say what happened, why, and on whose word."),
        "report": ("look:report", "Print a session's post-mortem in Markdown."),
        "output": ("work:output", "Print what a long action has said so far."),
        "undo": ("work:undo", "Roll one action back."),
        "settle": ("work:settle", "Record what became of a stuck action."),
        "dlq": ("work:dlq", "List and replay signals that could not be read."),
    },
    "Govern": {
        "freeze": ("stop:freeze", "Stop all work, an agent, a target or a kind; works with the server down."),
        "thaw": ("stop:thaw", "Lift a freeze for a while."),
        "audit": ("prove:audit", "Verify, follow, export and prove the log."),
        "policy": ("policy:policy", "Check, test, explain and replay policies."),
        "runbook": ("check:runbook", "Check runbooks."),
        "keys": ("give:keys", "Create, list and revoke keys."),
        "agents": ("look:agents", "List and show agents."),
        "kinds": ("look:kinds", "List and show kinds of actions."),
        "shadow": ("look:shadow", "Show what shadow mode would have done."),
    },
    "Glue": {
        "lab": ("lab:lab", "A small real estate to break and heal."),
        "schema": ("check:schema", "Print the JSON Schema of a kind of file."),
        "openapi": ("look:openapi", "Print the API's description."),
        "completion": ("start:completion", "Print the completion script for a shell."),
    },
}
EPILOG = (
    "Exit codes: 0 ok; 1 failed; 2 usage or invalid file; 3 not found; 4 sign-in needed; 5 denied by policy; 6 waits for approval; "
    "7 digest or version changed; 8 unreachable or timed out; 9 proof failed; 130 interrupted."
)
USAGE, INTERRUPTED, PIPE = 2, 130, 141


@click.group(cls=Lazy, table=TABLE, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Let AI agents run infrastructure without wrecking it: every action goes through one door."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code. Nothing but what, why and next reaches a person; --debug shows the rest."""
    read = settings.load()
    desk = Desk(settings=read, project=read.project)
    try:
        given = cli.main(args=list(argv) if argv is not None else None, prog_name="flyball", obj=desk, standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone: nothing is left to say, also not by the interpreter at its end
        return PIPE
    except Exception as fault:  # noqa: BLE001 the boundary: a person never sees a traceback
        if desk.debug:
            import traceback

            traceback.print_exc()
        return told(fault)
    return given if isinstance(given, int) else 0


def told(fault: BaseException) -> int:
    """Write an error as its lines on stderr and give its exit code."""
    if isinstance(fault, BaseExceptionGroup):
        return told(fault.exceptions[0])
    if isinstance(fault, UserError):
        click.echo(fault.lines(), err=True)
        return fault.exit_code
    if isinstance(fault, click.ClickException):
        at = fault.ctx.command_path if isinstance(fault, click.UsageError) and fault.ctx else "flyball"
        click.echo(f"{fault.format_message()}\nnext: {at} --help", err=True)
        return USAGE
    from flyball.lab.home import LabError

    if isinstance(fault, LabError):
        click.echo(str(fault), err=True)
        return 1
    click.echo(f"flyball could not do this\nwhy: {type(fault).__name__}: {fault}\nnext: run it again with --debug", err=True)
    return 1
