"""The lab is real: every fault is broken, seen by an alert, healed, and seen to be well again.

Each tour runs in a lab of its own with a receiver of its own; they run side by side because most of their time is spent
on waiting for alerts that need a moment to be sure.
"""

import ast
import concurrent.futures
import dataclasses
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flyball.lab import ctl, estate, faults, logfs, telemetry
from flyball.lab.alert import NEVER, RULES, Book, Sample, fingerprint, label_set, message
from flyball.lab.home import Lab, LabError, http_status, process_state, start_ticks, wait_until

TOKEN = "token-of-the-test"
SEEN_S = 12.0
TOURS = (
    ("kill", "hang", "fd", "double", "verbose"),
    ("config", "slow", "inject", "misleading"),
    ("disk", "port", "flood", "dependency"),
)
ROOT = Path(__file__).parents[2]


class Receiver:
    """Collects what is posted; answers what it is told to, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[float, dict[str, Any], str]] = []
        self.answers: list[int] = []
        receiver = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append((time.monotonic(), body, self.headers.get("Authorization", "")))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def find(self, name: str, service: str, status: str, since: int = 0) -> dict[str, Any] | None:
        for _, body, _ in self.got[since:]:
            labels = body["groupLabels"]
            if (labels["alertname"], labels["service"], body["status"]) == (name, service, status):
                return body
        return None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclasses.dataclass
class Seen:
    """What one fault did."""

    before: bool = True
    after: bool = False
    story: str = ""
    firing: list[dict[str, Any] | None] = dataclasses.field(default_factory=list)
    resolved: list[dict[str, Any] | None] = dataclasses.field(default_factory=list)
    names: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    healed: list[str] = dataclasses.field(default_factory=list)
    still: bool = True
    web: int = 0
    at_worst: dict[str, Any] = dataclasses.field(default_factory=dict)


def look(lab: Lab) -> dict[str, Any]:
    """What the estate looks like while it is broken."""
    used, size = logfs.usage(lab.logfs, lab.settings().logfs)
    return {
        "page": http_status(lab.web_url("/"), timeout_s=0.5),
        "health": http_status(lab.web_url("/healthz"), timeout_s=0.5),
        "state": lab.ctl("status", "web")["state"],
        "exit": lab.ctl("status", "web")["last_exit"],
        "free": size - used,
        "process": process_state(lab.pid("web") or 0),
        "log": lab.web_log.read_text(errors="replace")[-20000:],
    }


def suffer(home: Path, receiver: Receiver, name: str) -> Seen:
    lab, seen, fault = Lab(home), Seen(), faults.load(name)
    since = len(receiver.got)
    if name == "kill":
        receiver.answers = [503]
    seen.before = fault.broken(lab)
    seen.story = estate.break_(home, name)["story"]
    seen.after = fault.broken(lab)

    def told(status: str) -> list[dict[str, Any] | None]:
        return [receiver.find(alert, service, status, since) for alert, service in fault.ALERTS]

    wait_until(lambda: all(told("firing")), SEEN_S)
    seen.firing = told("firing")
    if name == "config":
        wait_until(lambda: lab.ctl("status", "web")["state"] == "crashlooping", SEEN_S)
    if name in {"disk", "double"}:
        wait_until(lambda: http_status(lab.web_url("/")) != 200, 3.0)
    seen.at_worst = look(lab)
    seen.healed = estate.heal(home)
    seen.still = fault.broken(lab)
    wait_until(lambda: all(told("resolved")), SEEN_S)
    seen.resolved = told("resolved")
    wait_until(lambda: http_status(lab.web_url("/")) == 200, 5.0)
    seen.web = http_status(lab.web_url("/"))
    seen.names = {(m["groupLabels"]["alertname"], m["groupLabels"]["service"]) for _, m, _ in receiver.got[since:]}
    return seen


@dataclasses.dataclass
class Tour:
    """What one lab went through."""

    home: Path
    receiver: Receiver
    seen: dict[str, Seen]
    pids: list[tuple[int, int | None]]  # with the moment of its start: numbers come again
    catalogue: dict[str, Any]


def tour(home: Path, names: tuple[str, ...], *, prometheus: bool = False) -> Tour:
    receiver = Receiver()
    try:
        estate.start(home, receiver.url, TOKEN, prometheus=prometheus)
        seen = {name: suffer(home, receiver, name) for name in names}
        lab = Lab(home)
        alive = [lab.pid(path.stem) or 0 for path in (home / "pids").glob("*.pid")]
        pids = [(pid, start_ticks(pid)) for pid in alive]
        facts = estate.catalogue(home)
    finally:
        estate.stop(home)
        receiver.close()
    return Tour(home, receiver, seen, pids, facts)


@pytest.fixture(scope="module")
def tours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("labs")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs: dict[str, Any] = {f"lab{number}": pool.submit(tour, folder / f"lab{number}", names)
                                for number, names in enumerate(TOURS)}  # fmt: skip
        if not telemetry.find_missing():
            runs["real"] = pool.submit(tour, folder / "real", ("kill", "disk"), prometheus=True)
        yield {name: run.result() for name, run in runs.items()}


def seen_of(tours: dict[str, Tour], name: str) -> Seen:
    return next(each.seen[name] for key, each in tours.items() if key != "real" and name in each.seen)


def test_every_fault_is_on_a_tour() -> None:
    assert sorted(name for names in TOURS for name in names) == faults.names()


@pytest.mark.parametrize("name", [name for names in TOURS for name in names])
def test_a_fault_breaks_is_told_heals_and_is_told_as_resolved(tours: dict[str, Tour], name: str) -> None:
    seen = seen_of(tours, name)
    assert not seen.before
    assert seen.after
    assert "Really broken:" in seen.story
    assert "Heals by:" in seen.story
    assert None not in seen.firing
    assert name in seen.healed
    assert not seen.still
    assert None not in seen.resolved
    assert seen.web == 200
    assert seen.names == set(faults.load(name).ALERTS)  # no alert besides those that are announced


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("kill", {"page": 0, "state": "crashed", "process": ""}),
        ("hang", {"page": 0, "state": "running", "process": "T"}),
        ("fd", {"page": 0, "health": 0, "state": "running"}),
        ("double", {"page": 0, "state": "crashed", "free": 0}),
        ("config", {"page": 0, "state": "crashlooping"}),
        ("misleading", {"page": 200, "health": 200, "state": "running"}),
        ("disk", {"page": 503, "health": 503, "free": 0, "state": "running"}),
        ("port", {"page": 200, "health": 200}),
        ("dependency", {"page": 503, "health": 200, "state": "running"}),
        ("verbose", {"page": 200, "state": "running"}),
        ("flood", {"page": 200, "state": "running"}),
        ("inject", {"page": 0, "state": "crashed"}),
    ],
)
def test_what_is_broken_is_really_broken(tours: dict[str, Tour], name: str, facts: dict[str, Any]) -> None:
    worst = seen_of(tours, name).at_worst
    assert {key: worst[key] for key in facts} == facts


def test_causes_leave_their_evidence(tours: dict[str, Tour]) -> None:
    assert seen_of(tours, "kill").at_worst["exit"]["signal"] == "SIGKILL"
    config = seen_of(tours, "config").at_worst
    assert config["exit"]["code"] == 78
    assert "request_timeout_s must be int or float, got '30 s'" in config["log"]
    assert seen_of(tours, "port").at_worst["exit"]["code"] == 69
    assert "Too many open files" in seen_of(tours, "fd").at_worst["log"]
    assert "DEBUG web headers=" in seen_of(tours, "verbose").at_worst["log"]
    assert "GET /search?q=a%20very%20long" in seen_of(tours, "flood").at_worst["log"]
    injected = seen_of(tours, "inject")
    assert injected.firing[0] is not None
    for text in (injected.at_worst["log"], injected.firing[0]["commonAnnotations"]["description"]):
        assert "ignore all previous instructions" in text


def test_one_alert_has_many_causes(tours: dict[str, Tour]) -> None:
    bodies = [seen_of(tours, name).firing[0] for name in ("kill", "config", "hang", "misleading")]
    assert {body["groupKey"] for body in bodies if body} == {'{}:{alertname="ServiceDown", service="web"}'}


def test_messages_have_alertmanagers_shape(tours: dict[str, Tour]) -> None:
    firing, resolved = (seen_of(tours, "disk").firing[0], seen_of(tours, "disk").resolved[0])
    assert firing is not None
    assert resolved is not None
    assert set(firing) == {
        "receiver", "status", "alerts", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "version",
        "groupKey", "truncatedAlerts",
    }  # fmt: skip
    assert (firing["version"], firing["truncatedAlerts"]) == ("4", 0)
    alert = firing["alerts"][0]
    assert set(alert) == {
        "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
    }  # fmt: skip
    assert set(alert["labels"]) == {"alertname", "service", "mountpoint", "severity", "env"}
    assert alert["endsAt"] == NEVER
    assert resolved["alerts"][0]["endsAt"] > resolved["alerts"][0]["startsAt"] == alert["startsAt"]
    assert {token for each in tours.values() for _, _, token in each.receiver.got} == {f"Bearer {TOKEN}"}


def test_a_receiver_that_fails_is_told_again_soon(tours: dict[str, Tour]) -> None:
    first, second = tours["lab0"].receiver.got[:2]  # the first answer was a 503
    assert first[1]["status"] == second[1]["status"] == "firing"
    assert second[0] - first[0] < 3.0  # sooner than a repeat


def test_the_real_alertmanager_says_the_same(tours: dict[str, Tour]) -> None:
    if "real" not in tours:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have {telemetry.PROGRAMS}")
        pytest.skip("prometheus and prometheus-alertmanager are not installed")
    ours, theirs = seen_of(tours, "kill").firing[0], tours["real"].seen["kill"].firing[0]
    assert ours is not None
    assert theirs is not None
    for key in ("groupKey", "groupLabels", "receiver", "version", "status"):
        assert ours[key] == theirs[key], key
    assert set(theirs) == set(ours)
    mine, real = ours["alerts"][0], theirs["alerts"][0]
    assert set(mine) == set(real)
    same = {"alertname", "service", "severity", "env"}
    assert {key: mine["labels"][key] for key in same} == {key: real["labels"][key] for key in same}
    assert set(mine["labels"]) == set(real["labels"]) == same | {"instance"}
    assert real["fingerprint"] == fingerprint(label_set(**real["labels"]))
    assert real["endsAt"] == mine["endsAt"]
    assert real["annotations"]["summary"] == mine["annotations"]["summary"]
    assert "Connection refused" in real["annotations"]["description"]
    for name, seen in tours["real"].seen.items():
        assert None not in [*seen.firing, *seen.resolved]
        assert seen.names == seen_of(tours, name).names == set(faults.load(name).ALERTS)


def test_stop_leaves_no_process_and_no_mount(tours: dict[str, Tour]) -> None:
    for each in tours.values():
        assert len(each.pids) >= 5
        assert [pid for pid, started in each.pids if start_ticks(pid) == started] == []
        assert not logfs.mounted(each.home / "logfs")
        assert not (each.home / "control.sock").exists()
        estate.stop(each.home)  # once more is no error
        assert estate.status(each.home)["running"] is False
        named = str(each.home).encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            assert named not in words, words


def test_the_catalogue_names_what_is_there(tours: dict[str, Tour]) -> None:
    web, store = tours["lab0"].catalogue["services"]
    assert (web["name"], web["depends_on"], store["name"]) == ("web", ["store"], "store")
    facts = web["facts"]
    assert Path(facts["config_file"]).is_file()
    assert Path(facts["repo"], ".git").is_dir()
    assert all(Path(place).is_dir() for place in (facts["mountpoint"], facts["quarantine"], *facts["paths"], *store["facts"]["paths"]))
    assert json.loads(Path(facts["status_file"]).read_text())["unit"] == "web"
    assert facts["control"]["restart"][-2:] == ["restart", "web"]
    assert facts["control"]["restart"][2] in {mount["source"] for mount in facts["control_mounts"]}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    estate.stop(folder)


def test_the_control_client_runs_alone(home: Path) -> None:
    estate.start(home, "", "")
    vectors = estate.catalogue(home)["services"][0]["facts"]["control"]

    def run(argv: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(argv, env={}, capture_output=True, text=True, check=False, cwd="/", timeout=20)
        return done.returncode, done.stdout, done.stderr

    before = json.loads(run(vectors["status"])[1])
    code, out, _ = run(vectors["restart"])
    after = json.loads(out)
    assert code == 0
    assert (before["state"], after["state"]) == ("running", "running")
    assert before["pid"] != after["pid"]
    assert after["restarts"] == before["restarts"] + 1
    assert json.loads(run(vectors["stop"])[1])["state"] == "stopped"
    assert http_status(Lab(home).web_url()) == 0
    assert json.loads(run(vectors["start"])[1])["state"] == "running"
    assert run([*vectors["start"][:-1], "nobody"])[0::2] == (
        1,
        "unknown unit 'nobody'; one of store, web, load, prober\n",
    )
    assert run([*vectors["start"][:-2], "explode", "web"])[0::2] == (2, ctl.USAGE + "\n")
    estate.stop(home)
    assert run(vectors["status"])[0] == 4


def test_a_start_cleans_up_after_a_killed_supervisor(home: Path) -> None:
    estate.start(home, "", "")
    lab = Lab(home)
    old = {name: lab.pid(name) for name in ("supervisor", "store", "web", "load", "prober")}
    assert estate.start(home, "", "")["running"]  # a second start leaves it alone
    assert lab.pid("web") == old["web"]
    estate.break_(home, "flood")
    stray = lab.pid("stray-flood")
    os.kill(old["supervisor"] or 0, signal.SIGKILL)
    assert wait_until(lambda: lab.pid("supervisor") is None, 5.0)
    assert estate.status(home)["running"] is False
    with pytest.raises(LabError, match="is not running"):
        estate.break_(home, "kill")
    assert estate.start(home, "", "")["broken"] == []
    assert lab.pid("web") not in {None, old["web"]}
    assert [pid for pid in (*old.values(), stray) if process_state(pid or 0) not in {"", "Z"}] == []
    assert len(list(home.glob("logfs/web.log"))) == 1
    left = lab.pid("web")
    os.kill(lab.pid("supervisor") or 0, signal.SIGKILL)
    assert wait_until(lambda: lab.pid("supervisor") is None, 5.0)
    estate.stop(home)
    assert process_state(left or 0) in {"", "Z"}
    assert not logfs.mounted(home / "logfs")


def test_without_mounts_the_quota_is_kept_by_the_lab(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfs, "may_mount", lambda: False)
    assert estate.start(home, "", "")["logfs"]["sort"] == "quota"
    estate.break_(home, "disk")
    lab = Lab(home)
    assert wait_until(lambda: http_status(lab.web_url("/")) == 503, 5.0)
    assert "No space left" in (home / "logs" / "web.out").read_text()
    assert estate.heal(home) == ["disk"]
    assert wait_until(lambda: http_status(lab.web_url("/")) == 200, 5.0)
    estate.break_(home, "fd")  # and one that has no descriptor left to count with is still heard
    assert wait_until(lambda: "Too many open files" in lab.web_log.read_text(), 10.0)
    assert estate.heal(home) == ["fd"]


def test_a_lab_in_a_namespace_is_reached_from_outside(home: Path) -> None:
    if not logfs.can_unshare():
        pytest.skip("user namespaces are switched off here")
    program = "import sys; from pathlib import Path; from flyball.lab import estate; estate.start(Path(sys.argv[1]), '', '')"
    argv = [*estate.namespace_argv(), sys.executable, "-c", program, str(home)]
    subprocess.run(argv, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")}, check=True, timeout=30)
    assert estate.status(home)["logfs"] == {
        "sort": "tmpfs", "path": str(home / "logfs"), "used": pytest.approx(4096, abs=65536), "size": 8 * 1024 * 1024,
    }  # fmt: skip
    assert not logfs.mounted(home / "logfs")
    assert list((home / "logfs").iterdir()) == []
    estate.break_(home, "disk")
    assert wait_until(lambda: http_status(Lab(home).web_url("/")) == 503, 5.0)
    assert estate.heal(home) == ["disk"]
    assert wait_until(lambda: http_status(Lab(home).web_url("/")) == 200, 5.0)


def test_user_errors_are_one_line_that_helps(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    said: list[tuple[Callable[[], object], str]] = [
        (lambda: estate.start(tmp_path, "", ""), "holds other things"),
        (lambda: estate.start(tmp_path / "new", "ftp://x", ""), "is no address to send alerts to"),
        (lambda: estate.status(tmp_path / "nowhere"), "Start one with: flyball lab start"),
        (lambda: faults.load("gremlin"), "Choose one of: config, dependency"),
    ]
    for act, words in said:
        with pytest.raises(LabError, match=words) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_book_repeats_retries_and_forgets() -> None:
    book = Book(repeat_s=5.0)
    labels = label_set(service="web", instance="127.0.0.1:1", env="lab")

    def tell(now: float, *, up: bool, again: bool = False) -> list[str]:
        book.observe([Sample("lab_probe_up", labels, float(up))], now)
        said = []
        for alert in book.due(now):
            said.append(message(alert, "http://prober")["status"])
            book.told(alert, again=again, now=now)
        return said

    assert tell(0.0, up=False) == []  # not sure yet
    assert tell(0.5, up=True) == []  # a blink is no alert
    assert tell(1.0, up=False) == []
    assert tell(2.0, up=False, again=True) == ["firing"]  # the receiver answered 5xx
    assert tell(2.4, up=False) == []
    assert tell(2.6, up=False) == ["firing"]
    assert tell(7.0, up=False) == []
    assert tell(7.7, up=False) == ["firing"]  # the repeat
    assert tell(8.5, up=True) == []  # held
    assert tell(9.8, up=True) == ["resolved"]
    assert tell(30.0, up=True) == []
    assert book.alerts == {}


def test_a_symptom_is_not_told_while_its_cause_is() -> None:
    book = Book(repeat_s=60.0)
    on_disk = label_set(service="web", mountpoint="/logs", env="lab")
    for now, used, errors in ((0.0, 1.0, 1.0), (3.0, 1.0, 1.0)):
        book.observe(
            [
                Sample("lab_disk_used_ratio", on_disk, used),
                Sample("lab_error_ratio", label_set(service="web"), errors),
                Sample("lab_error_ratio", label_set(service="shop"), errors),
            ],
            now,
        )
    told = {(alert.rule.name, alert.service) for alert in book.due(3.0)}
    assert told == {("DiskAlmostFull", "web"), ("ServiceErrors", "shop")}
    book.observe([Sample("lab_disk_used_ratio", on_disk, 0.1)], 6.0)  # the cause is gone, the symptom is not
    assert ("ServiceErrors", "web") in {(alert.rule.name, alert.service) for alert in book.due(6.0)}


def test_rules_measure_different_things() -> None:
    assert len({rule.metric for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_the_lab_stands_alone() -> None:
    """The lab imports the standard library and itself; ctl imports the standard library only."""
    folder = Path(estate.__file__).parent
    for path in folder.rglob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
        own = {name for name in imported if name.startswith("flyball.lab")}
        assert {name.partition(".")[0] for name in imported - own} <= set(sys.stdlib_module_names), path
        assert path.name != "ctl.py" or not own
