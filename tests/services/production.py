"""The whole production site as processes of this machine, as docker-compose.yml says; for tests, rehearsals and benchmarks.

What Compose would do is done here from the same file: each service's command, environment, order, health check and restarts.
Containers are not made: folders and addresses that they would have are put into a folder of the rig's own and onto free ports.
PostgreSQL, Redis and nginx are this machine's; a stand-in answers for Qdrant (tests/standins/qdrant.py says what that proves).
Run as root, every service is without capabilities and with no way to get any, and runs as its container's user where that user
may run this Python.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.site import free_port
from tests.services.compose import ROOT, example, read_compose, stages

HOST = "localhost"
SITE_USER, POSTGRES_USER = "10001", "postgres"
NEEDED = ("redis-server", "redis-cli", "nginx", "wget", "initdb", "setpriv")
HEALTHY_WITHIN_S, ENDS_WITHIN_S = 120.0, 120.0
RESTART_AFTER_S = 0.5
UNPRIVILEGED = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


def needs_services() -> None:
    """Skips the test where a program is missing; with CI set that is a failure, so that no check is lost without a word."""
    missing = [name for name in NEEDED if _program(name) is None]
    if missing:
        assert not os.environ.get("CI"), f"CI is set, and these programs are missing: {', '.join(missing)}"
        pytest.skip(f"these programs are missing: {', '.join(missing)}")


def _program(name: str) -> str | None:
    """On the path, or where Debian keeps PostgreSQL's and root's."""
    places = [os.environ["PATH"], "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    return shutil.which(name, path=os.pathsep.join(places))


@dataclass
class Service:
    """One service of the compose file as a process. ``restarts``: it is started again when it ends by itself."""

    name: str
    command: list[str]
    environment: dict[str, str]
    health: list[str]
    needs: dict[str, str]
    restarts: bool
    user: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    starts: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self) -> None:
        with self.lock:
            self.wanted = True
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [*_as(self.user), *self.command],
                    cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            self.starts += 1

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self.process is not None, self.name
        return self.process.pid

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def children(self) -> list[int]:
        """Of its process group, the process itself left out."""
        return [pid for pid in _group(self.pid) if pid != self.pid]

    def is_healthy(self) -> bool:
        checked = subprocess.run(
            [*_as(self.user), *self.health], cwd=ROOT, env=self.environment, capture_output=True, timeout=60, check=False
        )  # fmt: skip
        return checked.returncode == 0

    def wait_until_it_ends(self) -> None:
        assert self.process is not None
        if self.process.wait(ENDS_WITHIN_S) != 0:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def wait_until_it_is_healthy(self, within_s: float = HEALTHY_WITHIN_S) -> None:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if self.is_running() and self.is_healthy():
                return
            if not self.is_running() and not self.restarts:
                break
            time.sleep(0.2)
        raise AssertionError(f"{self.name} is not healthy:\n{self.tail()}")

    def send(self, number: signal.Signals) -> None:
        """To every process of it, as the end of a container is; a service that has just ended gets nothing."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, within_s: float = 60.0) -> float:
        """As Compose does: SIGTERM to the first process, SIGKILL to what is left. Returns seconds. It is not started again."""
        with self.lock:
            self.wanted = False
            if not self.is_running():
                return 0.0
            start = time.monotonic()
            os.kill(self.pid, signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
            try:
                assert self.process is not None
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{self.name} does not stop within {within_s:.0f} s:\n{self.tail()}") from None
            finally:
                self.send(signal.SIGKILL)
            return time.monotonic() - start

    def kill(self) -> None:
        """All of it at once, as when the machine's memory runs out; whether it comes back is its restart policy's."""
        with self.lock:
            self.send(signal.SIGKILL)
            assert self.process is not None
            self.process.wait(30)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


def _as(user: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", user, "--regid", user, *UNPRIVILEGED, "--"]


@cache
def site_user() -> str:
    """10001 as in the images; root, though without its powers, where Python lies in root's own folder."""
    tried = [
        *_as(SITE_USER),
        "sh",
        "-c",
        f"exec {sys.executable} -c ''",
    ]  # setpriv itself still has root's powers when it starts sh
    return SITE_USER if subprocess.run(tried, capture_output=True, check=False).returncode == 0 else "0"


@cache
def static_files() -> Path:
    """What the image's build makes, once for this process: compressing it takes half a minute."""
    folder = Path(tempfile.mkdtemp(prefix="conchive-static-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    told = {
        "CONCHIVE_EMBEDDED": "false",
        "SECRET_KEY": "for this one command " * 4,
        "CONCHIVE_DATA": str(folder / "data"),
        "STATIC_ROOT": str(folder / "static"),
    }
    _done([sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"], dict(os.environ) | told)
    return folder / "static"


def _done(command: list[str], environment: Mapping[str, str]) -> None:
    ended = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


def _group(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == leader:
                    found.append(int(entry.name))
    return found


class Production:
    """The site; start() it, or use running_production(). ``more``: settings of the site's beside those of .env.example.

    ``disk_bytes``: its data folder is a disk of that size, in memory, where one can be made.
    """

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None, *, disk_bytes: int = 0) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("web", "http", "https", "postgres", "redis", "qdrant")}
        self.url = f"https://{HOST}:{self.ports['https']}"
        address = {"CONCHIVE_URL": self.url, "CSRF_TRUSTED_ORIGINS": self.url}
        self.told = example() | address | {"CONCHIVE_ENCODER": "fake", "OMP_NUM_THREADS": "1"} | dict(more or {})
        for name in ("secrets", "data", "postgres", "qdrant", "tmp", "logs", "import", "weights"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.has_disk_of_its_own = bool(disk_bytes) and _mounted(folder / "data", disk_bytes)
        self._own()
        compose = read_compose(self.told | {"WEIGHTS": str(folder / "weights"), "IMPORT": str(folder / "import")})
        self.services = {
            name: self._service(name, told) for name, told in compose["services"].items() if "profiles" not in told
        }  # fmt: skip
        self._stopping = threading.Event()
        self._watching = threading.Thread(target=self._restart_what_ends, name="restarts", daemon=True)

    # --- from the compose file -------------------------------------------------------------------------------------------

    def _own(self) -> None:
        if os.geteuid() == 0:
            self.folder.chmod(0o755)
            for path in self.folder.iterdir():
                os.chown(path, int(site_user()), int(site_user()))
            shutil.chown(self.folder / "postgres", POSTGRES_USER, POSTGRES_USER)

    def _service(self, name: str, told: Mapping[str, Any]) -> Service:
        image = stages()[told["build"]["target"]] if "build" in told else stages().get(told["image"].removeprefix("conchive-"))
        said = {key: str(value) for key, value in told.get("environment", {}).items()}
        inside = (image.environment if image else {}) | (self.told if "env_file" in told else {}) | said
        command = told.get("command") or (image.command if image else [])
        return Service(
            name=name,
            command=self._here(name, self._all_placed(list(command), name)),
            environment=self._surroundings(name, inside),
            health=self._health(told.get("healthcheck", {}), name),
            needs={each: how["condition"] for each, how in told.get("depends_on", {}).items()},
            restarts=told.get("restart") == "unless-stopped",
            user=POSTGRES_USER if name == "postgres" else site_user(),
            folder=self.folder / "logs",
        )

    def _surroundings(self, name: str, inside: Mapping[str, str]) -> dict[str, str]:
        """What a container is told, and what finds this machine's programs; nothing else of this process's environment."""
        programs = [
            str(Path(sys.executable).parent),
            str(Path(_program("initdb") or "/").parent),
            os.environ["PATH"],
            "/usr/sbin",
        ]
        ours = {"PATH": os.pathsep.join(programs), "PYTHONPATH": str(ROOT), "HOSTNAME": socket.gethostname()}
        postgres = {"PGHOST": "127.0.0.1", "PGPORT": str(self.ports["postgres"])} if name == "postgres" else {}
        qdrant = {"QDRANT__SERVICE__HTTP_PORT": str(self.ports["qdrant"])} if name == "qdrant" else {}
        # the stand-in speaks REST alone; and every container has a port 9100 of its own
        # nor are this clone's static files those of an image
        own = {"QDRANT_GRPC_PORT": "0", "METRICS_PORT": str(free_port()), "STATIC_ROOT": str(static_files())}
        site = own if "QDRANT_URL" in inside else {}
        return {key: self._placed(value, name) for key, value in inside.items()} | ours | postgres | qdrant | site

    def _here(self, name: str, command: list[str]) -> list[str]:
        """What differs because the images' own programs are not here."""
        if name == "postgres":
            folder, port = self.folder / "postgres", self.ports["postgres"]
            options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "fsync": "off"}
            return ["postgres", "-D", str(folder / "db"), "-p", str(port), *(f"--{key}={each}" for key, each in options.items())]
        if name == "qdrant":
            serving = f"exec {sys.executable} -m tests.standins.qdrant"
            return ["sh", "-c", self._placed('QDRANT__SERVICE__API_KEY="$(cat /run/conchive/qdrant_api_key)" ', name) + serving]
        if name == "proxy":
            as_root = "user root;" if os.geteuid() == 0 and site_user() == "0" else ""
            return ["nginx", "-e", "/dev/stderr", "-c", str(self._nginx()), "-g", f"daemon off; {as_root}"]
        if name == "redis":
            added = f"--bind 127.0.0.1 --port {self.ports['redis']} --dir {self._temporary(name)}"
            return [*command[:-1], f"{command[-1].rstrip()} {added}"]
        if name == "web":
            return [{"0.0.0.0": "127.0.0.1", "8000": str(self.ports["web"])}.get(each, each) for each in command]  # noqa: S104
        return command

    def _nginx(self) -> Path:
        """docker/nginx.conf for Debian's nginx, which is older than the image's: no `http2 on` before 1.25."""
        text = self._placed((ROOT / "docker" / "nginx.conf").read_text(encoding="utf-8"), "proxy")
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{self.ports['http']};")
        text = text.replace("listen 8443 ssl;", f"listen 127.0.0.1:{self.ports['https']} ssl http2;").replace("http2 on;", "")
        written = self.folder / "nginx.conf"
        written.write_text(text, encoding="utf-8")
        return written

    def _health(self, told: Mapping[str, Any], name: str) -> list[str]:
        kind, *rest = told.get("test", ["NONE"])
        command = ["sh", "-c", *rest] if kind == "CMD-SHELL" else rest if kind == "CMD" else []
        here = self._all_placed(list(command), name)
        return [each.replace("redis-cli", f"redis-cli -p {self.ports['redis']}") for each in here]

    def _all_placed(self, texts: list[str], name: str) -> list[str]:
        return [self._placed(text, name) for text in texts]

    def _placed(self, text: str, name: str) -> str:
        """``text`` with the folders and addresses of this machine, in one pass: what is put in is not looked at again."""
        places = {r"(?<![\w.])/run/conchive": str(self.folder / "secrets"), r"(?<!\w)/data\b": str(self.folder / "data")}
        places |= {r"(?<!\w)/tmp\b": str(self._temporary(name)), r"/qdrant/storage": str(self.folder / "qdrant")}
        places |= {r"(?<!\w)/import\b": str(self.folder / "import")}
        for service, port in {"postgres": 5432, "redis": 6379, "qdrant": 6333, "web": 8000}.items():
            here = f"127.0.0.1:{self.ports[service]}"
            places[rf"(?<=[/@ ]){service}:{port}\b"] = places[rf"127\.0\.0\.1[:/]{port}\b"] = here
        places[r"127\.0\.0\.1:8443"] = f"127.0.0.1:{self.ports['https']}"
        pattern = re.compile("|".join(f"({each})" for each in places))
        new = list(places.values())
        placed = pattern.sub(lambda found: new[(found.lastindex or 1) - 1], text)
        return placed.replace(f"/dev/tcp/127.0.0.1:{self.ports['qdrant']}", f"/dev/tcp/127.0.0.1/{self.ports['qdrant']}")

    def _temporary(self, name: str) -> Path:
        """Every container has a /tmp of its own."""
        folder = self.folder / "tmp" / name
        if not folder.exists():
            folder.mkdir()
            if os.geteuid() == 0:
                os.chown(folder, int(site_user()), int(site_user()))
        return folder

    # --- start, stop --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        for name in self._order():
            self._start(self.services[name])
        self._watching.start()
        self.services["proxy"].wait_until_it_is_healthy()

    def _start(self, service: Service) -> None:
        for name, condition in service.needs.items():
            if condition == "service_healthy":
                self.services[name].wait_until_it_is_healthy()
            elif condition == "service_completed_successfully":
                self.services[name].wait_until_it_ends()
        if service.name == "postgres":
            self._make_database(service)
        service.start()
        if service.name == "postgres":
            self._make_site_database(service)

    def _order(self) -> list[str]:
        """Whatever another one waits for comes first."""
        order: list[str] = []

        def add(name: str) -> None:
            for needed in self.services[name].needs:
                add(needed)
            if name not in order:
                order.append(name)

        for name in self.services:
            add(name)
        return order

    def _make_database(self, service: Service) -> None:
        """What the image's entry point does at the first start."""
        password = self.folder / "secrets" / "postgres_password"
        asked = ["initdb", "-D", str(self.folder / "postgres" / "db"), "-U", "conchive", "-A", "scram-sha-256", "--no-sync"]
        _done([*_as(POSTGRES_USER), *asked, "--pwfile", str(password)], service.environment)

    def _make_site_database(self, service: Service) -> None:
        service.wait_until_it_is_healthy()
        known = {"PGPASSWORD": self.secret("postgres_password")}
        _done(["createdb", "-U", "conchive", "conchive"], service.environment | known)

    def _restart_what_ends(self) -> None:
        while not self._stopping.wait(RESTART_AFTER_S):
            for service in self.services.values():
                with service.lock:
                    if service.restarts and service.wanted and not service.is_running():
                        service.send(signal.SIGKILL)  # what its first process has left behind
                        service.start()

    def stop(self) -> dict[str, float]:
        """Seconds that each service took, those first that nothing waits for."""
        self._stopping.set()
        if self._watching.is_alive():
            self._watching.join()
        return {name: self.services[name].stop() for name in reversed(self._order())}

    # --- using it -----------------------------------------------------------------------------------------------------------

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text(encoding="utf-8")

    def manage(self, *arguments: str) -> str:
        """What a command of the site says, run as `docker compose exec web python manage.py …` would."""
        web = self.services["web"]
        command = [*_as(site_user()), "python", "manage.py", *arguments]
        ran = subprocess.run(command, cwd=ROOT, env=web.environment, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode not in (0, 1):
            raise AssertionError(f"{arguments}: {ran.stderr[-4000:]}")
        assert ran.returncode == 0 or arguments[0] == "verify", ran.stderr[-4000:]
        return ran.stdout

    def run(self, program: str) -> str:
        """A program of the site's own, which prints what is to be known."""
        return self.manage("shell", "--no-imports", "-c", program).strip()

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "secrets" / "tls.crt"))

    def browser(self, **options: Any) -> httpx.Client:
        """Through the proxy, with a jar for cookies."""
        return httpx.Client(base_url=self.url, verify=self.trust(), timeout=60.0, **options)

    def logs(self) -> str:
        return "\n".join(f"=== {service.name}\n{service.tail()}" for service in self.services.values())


def _mounted(folder: Path, size: int) -> bool:
    """False where this process may not mount anything."""
    if os.geteuid() != 0:
        return False
    asked = ["mount", "-t", "tmpfs", "-o", f"size={size}", "conchive", str(folder)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@contextmanager
def running_production(more: Mapping[str, str] | None = None, *, disk_bytes: int = 0) -> Iterator[Production]:
    """In a folder of its own that every service's user can reach, and that goes with it."""
    with tempfile.TemporaryDirectory(prefix="conchive-", ignore_cleanup_errors=True) as folder:
        site = Production(Path(folder), more, disk_bytes=disk_bytes)
        try:
            site.start()
            yield site
        finally:
            site.stop()
            if site.has_disk_of_its_own:
                subprocess.run(["umount", "--lazy", str(site.folder / "data")], check=True)
