"""`up`: start the server of a project and print how to reach it. The only command, beside the checks, that loads the server."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from flyball.errors import BadInput
from flyball.faces.cli import show
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd

if TYPE_CHECKING:
    from flyball.compose import Server

LINK_S = 900.0
KEY_S = 90 * 86_400.0
RECEIVER = """\
receivers:
  - name: flyball
    webhook_configs:
      - url: {url}/v1/signals/alertmanager
        send_resolved: true
        max_alerts: 0
        http_config:
          authorization:
            type: Bearer
            credentials: {key}
"""
AGAIN = "<the key that was printed at the first start>"


@click.command(cls=Cmd)
@click.option("--listen", metavar="ADDRESS:PORT", help="Where to listen, instead of the project's `listen`.")
@click.option("--takeover", is_flag=True, help="Push aside a server that hangs on the same state; it can write nothing any more.")
@click.option(
    "--accept", multiple=True, type=click.Choice(["clock", "checkpoint"]), help="Go on in spite of a clock set back, or a lost checkpoint."
)
@pass_desk
def up(desk: Desk, listen: str | None, takeover: bool, accept: tuple[str, ...]) -> None:
    """Start the server of a project.

    Prints the console's address with a link that signs an admin in once, and what Alertmanager needs to send alerts here.
    Ends at Ctrl-C.
    """
    host, _, port = (listen or "127.0.0.1:7070").rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 the highest port that TCP has
        raise BadInput(f"{listen!r} is no address to listen on", "it is an address, a colon and a port", "--listen 127.0.0.1:7070")
    import asyncio

    asyncio.run(_up(desk, listen or "", takeover, accept))


async def _up(desk: Desk, listen: str, takeover: bool, accept: tuple[str, ...]) -> None:
    import asyncio

    from flyball import compose

    server = await compose.build(desk.project, takeover=takeover, accept=accept)
    try:
        where = listen or server.whole.project.listen
        await compose.people(server)
        (server.whole.state / "address").write_text(f"{where}\n")
        ready = asyncio.Event()
        serving = asyncio.create_task(compose.serve(server, where, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            await _greet(desk, server, where)
        waiting.cancel()
        await serving
    finally:
        _gone(server)
        await server.close()


def _gone(server: Server) -> None:
    """Take the address back, unless a takeover has: nobody shall send a key to whatever listens there next."""
    with suppress(OSError):
        if (server.whole.state / "lock").read_text().strip() == str(os.getpid()):
            (server.whole.state / "address").unlink()


async def _greet(desk: Desk, server: Server, where: str) -> None:
    """Print the addresses."""
    url, key = f"http://{where}", await _signal_key(server)
    console = f"{url}/{await _link(server)}"
    doc = {"url": url, "console": console, "state": str(server.whole.state), "key": key}
    if show.dumped(desk, doc):
        return
    click.echo(f"Flyball answers at {url}")
    click.echo(f"console: {console}  (signs you in once, within 15 minutes)")
    click.echo(f"\nFor Alertmanager's configuration{'; keep the key, it is shown once' if key else ''}:\n")
    click.echo(RECEIVER.format(url=url, key=key or AGAIN))
    for line in _warnings(server):
        show.say(line)
    show.say("Ctrl-C ends the server.")


async def _link(server: Server) -> str:
    """Mint a link that signs the local admin in once."""
    from flyball.compose import ADMIN_SCOPES
    from flyball.faces.console.link import mint_link

    return f"login/{await mint_link(server.house, 'person:admin', ADMIN_SCOPES, LINK_S)}"


async def _signal_key(server: Server) -> str:
    """Mint Alertmanager's key, once: while one counts, no second is made. Gives its text, or "" where there is one."""
    from flyball.model.grant import Principal, Sort
    from flyball.model.ids import PrincipalId

    keys, name, now = server.house.keys, PrincipalId("service:alertmanager"), server.house.plugs.clock.now()
    rows = server.store.rows("key", state="live", limit=5000)
    if any(row.body.get("principal") == name and row.due_at > now for row in rows):
        return ""
    principal = keys.find_principal(name) or Principal(id=name, sort=Sort.SERVICE, owner="person:admin")
    await keys.add(principal, by="service:compose")
    text, _ = await keys.mint(principal, ("signal",), ttl_s=KEY_S, by="service:compose")
    return text


def _warnings(server: Server) -> list[str]:
    from flyball.config import overlong

    plugs = server.house.plugs
    lines = [f"warning: {one}: give the agent more" for one in overlong(plugs.rules.agents, plugs.rules.catalogue)]
    if plugs.box.level.value == "none":
        lines.append("warning: no isolation level holds on this machine, so no program will be run: flyball doctor says what is missing")
    if plugs.rules.shadow:
        lines.append("shadow mode: plans and verdicts only, nothing is carried out")
    return lines
