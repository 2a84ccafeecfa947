import json
from pathlib import Path

import pytest

from flyball.errors import BadInput, Unreachable
from flyball.kinds.process_restart import KIND
from flyball.model.action import Seen
from kindbox import BwrapBox, Recording, Service, hands, undoing


async def test_a_killed_service_is_restarted_once_and_put_back(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        await service.ask("start")
        await service.crash()
        given = hands("process.restart", {"service": "web"}, service.facts())
        recipe = await KIND.plan(given)
        assert recipe.before["state"] == "crashed"
        assert await KIND.probe(given, recipe) is Seen.ABSENT
        first = await KIND.do(given, recipe)
        again = await KIND.do(given, recipe)
        assert first.ok
        assert again.ok
        assert first.result["pid"] == again.result["pid"]
        assert (first.result["already"], again.result["already"]) == (False, True)
        assert await KIND.probe(given, recipe) is Seen.HAPPENED
        assert (await KIND.undo(undoing(given), recipe)).ok
        assert await KIND.undone(undoing(given), recipe) is Seen.HAPPENED
        assert json.loads(await service.ask("status"))["state"] == "stopped"


async def test_a_running_service_gets_a_new_process_and_undo_leaves_it(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        await service.ask("start")
        before = json.loads(await service.ask("status"))
        given = hands("process.restart", {"service": "web"}, service.facts())
        recipe = await KIND.plan(given)
        assert recipe.undo == {"do": "nothing"}
        done = await KIND.do(given, recipe)
        assert done.ok
        assert done.result["pid"] != before["pid"]
        assert (await KIND.undo(undoing(given), recipe)).ok
        assert json.loads(await service.ask("status"))["state"] == "running"


async def test_a_service_that_starts_by_itself_leaves_the_question_open(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        given = hands("process.restart", {"service": "web"}, service.facts())
        recipe = await KIND.plan(given)
        restless = type(recipe)(before={**recipe.before, "state": "backoff"}, undo={}, argv=recipe.argv)
        await service.ask("start")
        assert await KIND.probe(given, restless) is Seen.UNSURE


async def test_planning_only_asks_for_the_status(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        box = Recording(BwrapBox())
        await KIND.plan(hands("process.restart", {"service": "web"}, service.facts(), box))
        assert [run.argv[-1] for run in box.runs] == ["status"]
        assert not any(run.write for run in box.runs)


async def test_another_service_than_the_target_is_refused(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        with pytest.raises(BadInput, match="not web"):
            await KIND.plan(hands("process.restart", {"service": "store"}, service.facts()))


async def test_a_control_program_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    facts = {"control": {key: ["false"] for key in ("status", "stop", "restart")}}
    with pytest.raises(Unreachable, match="false ended with 1"):
        await KIND.plan(hands("process.restart", {"service": "web"}, facts))


async def test_a_target_without_control_is_said_so() -> None:
    with pytest.raises(BadInput, match=r"control\.restart"):
        await KIND.plan(hands("process.restart", {"service": "web"}, {}))
