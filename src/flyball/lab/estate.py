"""The lab as a whole: start, break, heal, look, stop.

The command line and the demo call this and nothing else of the lab.

Every function takes the lab's home folder and is idempotent. All raise `LabError` with a line that a user can act on.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyball.lab import ctl, faults, logfs, repo, telemetry
from flyball.lab.home import (
    ENV,
    Lab,
    LabError,
    Settings,
    child_environment,
    end_process,
    http_status,
    python_argv,
    wait_until,
    write_targets,
    write_whole,
)

START_DEADLINE_S = 15.0
STOP_GRACE_S = 8.0
FIRST_PORT, LAST_PORT = 20000, 32000  # below the range from which Linux takes ports for outgoing connections
PORTS = 5
HTTP_OK = 200


def needs_namespace() -> bool:
    """Say whether the caller should start itself again inside `namespace_argv` so that a tmpfs can be mounted."""
    return not logfs.may_mount() and logfs.can_unshare()


def namespace_argv() -> list[str]:
    """The argv prefix that gives a process (and all it starts) a user and mount namespace of its own."""
    return ["unshare", "--user", "--map-root-user", "--mount", "--"]


def start(home: Path, alert_url: str, token: str, *, prometheus: bool = False, repeat_s: float = 5.0) -> dict[str, Any]:
    """Start the lab, or point a running one at this receiver; gives its `status` once web answers 200.

    `alert_url` gets Alertmanager's JSON with `token` as bearer, again every `repeat_s` while an alert fires. An empty
    `alert_url` keeps the lab silent. What a crashed lab left in the folder is cleaned up first.
    """
    if alert_url and not alert_url.startswith(("http://", "https://")):
        raise LabError(f"{alert_url!r} is no address to send alerts to. Give one that begins with http:// or https://.")
    lab = _claim(home)
    with _turn(lab):
        if lab.pid("supervisor"):
            fresh = dataclasses.replace(lab.settings(), alert_url=alert_url, token=token, repeat_s=repeat_s)
            if fresh.prometheus == prometheus:
                _renew(lab, fresh)
                return _status(lab)
        _clear(lab)
        ports = list(_free_ports(str(lab.home), PORTS))
        if len(ports) < PORTS:
            raise LabError(f"No {PORTS} free TCP ports between {FIRST_PORT} and {LAST_PORT}. End what uses them.")
        settings = Settings(
            web_port=ports[0],
            store_port=ports[1],
            prober_port=ports[2],
            prometheus_port=ports[3],
            alertmanager_port=ports[4],
            alert_url=alert_url,
            token=token,
            repeat_s=repeat_s,
            prometheus=prometheus,
            logfs="tmpfs" if logfs.may_mount() else "quota",
        )
        _write(lab, settings)
        argv = python_argv("supervisor", str(lab.home))
        born = subprocess.run(argv, env=child_environment(), cwd=lab.home, capture_output=True, check=False, timeout=10)
        if born.returncode:
            raise LabError(f"The lab's supervisor did not start: {born.stderr.decode(errors='replace').strip()[-200:]}")
        if not wait_until(lambda: _well(lab), START_DEADLINE_S):
            said = _last_words(lab)
            _clear(lab)
            raise LabError(f"The lab did not start within {START_DEADLINE_S:.0f} s. Its services said: {said}")
        return _status(lab)


def break_(home: Path, name: str) -> dict[str, Any]:
    """Break one fault for real; gives its story and the alerts to expect. Nothing happens if it is broken already."""
    lab = _existing(home)
    fault = faults.load(name)
    with _turn(lab):
        if not fault.broken(lab):
            fault.break_(lab)
    return {"fault": name, "broken": True, "story": (fault.__doc__ or "").strip(), "alerts": list(fault.ALERTS)}


def heal(home: Path, name: str | None = None) -> list[str]:
    """Heal one fault, or all that are broken; gives the names of those that were."""
    lab = _existing(home)
    with _turn(lab):
        found = [each for each in (faults.names() if name is None else [name]) if faults.load(each).broken(lab)]
        for each in found:
            if faults.load(each).broken(lab):  # healing one may have healed another
                faults.load(each).heal(lab)
    return found


def status(home: Path) -> dict[str, Any]:
    """Look: ``{"home", "running", "web_url", "logfs", "units", "broken"}``; units as the supervisor tells them."""
    return _status(_existing(home, running=False))


def stop(home: Path) -> None:
    """End every process of the lab, by its pid, and unmount its log file system. Logs and settings stay for a look."""
    lab = Lab(home.absolute())
    if not lab.settings_path.exists():
        return
    with _turn(lab):
        _end_all(lab)


def catalogue(home: Path) -> dict[str, Any]:
    """Give web and store as Flyball's service catalogue wants them: the content of a ``catalogue.yaml``.

    Each service: name, env, region, sensitivity, owner, depends_on, and ``facts``: ``control`` (argv vectors start, stop, restart,
    status), ``control_mounts`` (what a sandbox must show for those to run), health_url, port, log, paths (what may be looked
    at), pid_file, status_file; web also page_url, mountpoint, rotated (a pattern of names), quarantine, repo, config_file. All paths
    are absolute.
    """
    lab = _existing(home, running=False)
    settings = lab.settings()
    web = {
        **_facts(lab, "web", settings.web_port),
        "page_url": lab.web_url("/"),
        "log": str(lab.mountpoint / "web.log"),
        "mountpoint": str(lab.mountpoint),
        "rotated": "web.log.*",
        "quarantine": str(lab.home / "quarantine"),
        "repo": str(lab.config_file.parent),
        "config_file": str(lab.config_file),
        "paths": [str(lab.mountpoint), str(lab.logs)],
        "logfs": settings.logfs,
    }
    store = {**_facts(lab, "store", settings.store_port), "log": str(lab.logs / "store.out"), "paths": [str(lab.logs)]}
    whose = {"env": ENV, "region": "", "sensitivity": "normal", "owner": "lab"}
    services = [
        {"name": "web", **whose, "depends_on": ["store"], "facts": web},
        {"name": "store", **whose, "depends_on": [], "facts": store},
    ]
    return {"apiVersion": "flyball/v1", "kind": "Catalogue", "services": services}


def _facts(lab: Lab, name: str, port: int) -> dict[str, Any]:
    """Give the facts that every service has."""
    python, program = _plain_python(), str(Path(ctl.__file__).resolve())
    shown = [program, str(lab.socket)]
    if python == sys.executable:  # there is no other one, and a sandbox would not show it by itself
        shown += sorted({sys.prefix, sys.base_prefix})
    return {
        "unit": name,
        "port": port,
        "health_url": f"http://127.0.0.1:{port}/healthz",
        "control": {verb: [python, "-I", program, str(lab.socket), verb, name] for verb in ctl.VERBS},
        "control_mounts": [{"source": path, "target": path} for path in shown],
        "output": str(lab.logs / f"{name}.out"),
        "pid_file": str(lab.pid_path(name)),
        "status_file": str(lab.status_path(name)),
    }


def _plain_python() -> str:
    """Give the system's python3, which a sandbox that shows /usr can run, or this one where there is none."""
    return shutil.which("python3", path="/usr/bin:/bin") or sys.executable


@contextlib.contextmanager
def _turn(lab: Lab) -> Iterator[None]:
    """One of start, break, heal, stop at a time."""
    lock = os.open(lab.home / "lab.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _claim(home: Path) -> Lab:
    """Take a folder for a lab: an empty or new one, or one that was a lab before."""
    lab = Lab(home.absolute())
    try:
        lab.home.mkdir(parents=True, exist_ok=True)
        if not lab.settings_path.exists() and any(lab.home.iterdir()):
            raise LabError(f"{lab.home} holds other things and is no lab. Name an empty folder with --home.")
        lab.home.chmod(0o700)
        lab.settings_path.touch()
    except OSError as error:
        raise LabError(f"{lab.home} cannot hold a lab: {error.strerror}. Name another folder with --home.") from None
    return lab


def _existing(home: Path, *, running: bool = True) -> Lab:
    """Give the lab of a folder; `running`: its supervisor must answer."""
    lab = Lab(home.absolute())
    lab.settings()
    if running:
        lab.ctl("status")
    return lab


def _status(lab: Lab) -> dict[str, Any]:
    settings = lab.settings()
    running = lab.pid("supervisor") is not None
    used, size = logfs.usage(lab.logfs, settings.logfs) if running else (0, 0)
    return {
        "home": str(lab.home),
        "running": running,
        "web_url": lab.web_url(),
        "logfs": {"sort": settings.logfs, "path": str(lab.mountpoint), "used": used, "size": size},
        "units": lab.ctl("status") if running else {},
        "broken": [name for name in faults.names() if faults.load(name).broken(lab)] if running else [],
    }


def _well(lab: Lab) -> bool:
    """Say whether web answers 200, and the real Prometheus and Alertmanager are ready where they are wanted."""
    settings = lab.settings()
    pages = [lab.web_url()]
    if settings.prometheus:
        ports = (settings.prometheus_port, settings.alertmanager_port)
        pages += [f"http://127.0.0.1:{port}/-/ready" for port in ports]
    return lab.socket.exists() and all(http_status(page) == HTTP_OK for page in pages)


def _last_words(lab: Lab) -> str:
    """The ends of the services' output, for the message of a start that failed."""
    texts = {path.stem: path.read_text(errors="replace").splitlines() for path in sorted(lab.logs.glob("*.out"))}
    return "; ".join(f"{name}: {lines[-1]}" for name, lines in texts.items() if lines) or "nothing"


def _end_all(lab: Lab) -> None:
    """End the strays, the supervisor (which ends its units) and whatever a killed supervisor left behind."""
    for path in sorted((lab.home / "pids").glob("stray-*.pid")):
        end_process(lab, path.stem)
    end_process(lab, "supervisor", grace_s=STOP_GRACE_S)
    for path in sorted((lab.home / "pids").glob("*.pid")):
        end_process(lab, path.stem)
    logfs.unmount(lab.mountpoint)
    lab.socket.unlink(missing_ok=True)


def _clear(lab: Lab) -> None:
    """End everything of an earlier lab in this folder and remove its files."""
    _end_all(lab)
    for name in ("pids", "state", "logs", "logfs", "prometheus", "alertmanager"):
        shutil.rmtree(lab.home / name, ignore_errors=True)
    for path in (lab.home / "units.json", lab.targets_file, lab.home / "load.json"):
        path.unlink(missing_ok=True)


def _free_ports(seed: str, count: int) -> Iterator[int]:
    """Ports on which nobody listens; the same ones for the same folder as long as they are free."""
    span = LAST_PORT - FIRST_PORT
    first = zlib.crc32(seed.encode()) % span
    for step in range(span):
        if not count:
            return
        port = FIRST_PORT + (first + step) % span
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        count -= 1
        yield port


def _save(lab: Lab, settings: Settings) -> None:
    write_whole(lab.settings_path, json.dumps(dataclasses.asdict(settings), indent=2) + "\n")


def _write(lab: Lab, settings: Settings) -> None:
    """Write everything that the supervisor and the services read."""
    lab.logs.mkdir(parents=True, exist_ok=True)
    lab.mountpoint.mkdir(exist_ok=True)
    _save(lab, settings)
    repo.make(lab.config_file, settings.web_port, settings.store_port)
    write_targets(lab)
    units: list[dict[str, Any]] = [
        {"name": name, "argv": python_argv(name, str(lab.home)), "restart": "on-failure"} for name in ("store", "web", "load", "prober")
    ]
    units[1]["nofile"] = 96
    if settings.prometheus:
        units += telemetry.units(lab, settings)
    (lab.home / "quarantine").mkdir(exist_ok=True)
    write_whole(lab.home / "units.json", json.dumps(units, indent=2) + "\n")


def _renew(lab: Lab, settings: Settings) -> None:
    """Point a running lab at another receiver."""
    if settings == lab.settings():
        return
    _save(lab, settings)
    if settings.prometheus:
        telemetry.units(lab, settings)
    lab.ctl("restart", "alertmanager" if settings.prometheus else "prober")
