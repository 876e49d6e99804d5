"""What docker-compose.yml promises: Compose reads it, and its health checks are run."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import servers
from queued_shop import QueuedShop, redis, until

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLES = sorted((ROOT / "examples/env").iterdir())
# The variables without which nothing may start, as each stands in the file.
REQUIRED = re.findall(r"\$\{(\w+):\?", FILE.read_text())


@pytest.fixture(scope="session")
def client() -> list[str]:
    """Compose, for which this needs no engine: Docker's plugin, or Debian's package."""
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
            return plugin
    if shutil.which("docker-compose") is None:
        servers.apt_install("docker-compose")
    return ["docker-compose"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what Compose reads, but for `.env`."""
    shutil.copy(FILE, tmp_path)
    shutil.copytree(ROOT / "mariadb", tmp_path / "mariadb")
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    return tmp_path


def config(client: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    """Has Compose read the project; nothing is in the environment but what every process has."""
    return subprocess.run(
        [*client, "config", "--quiet"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def filled(path: Path) -> str:
    """An example with its secrets filled in, and with what is said to be for Compose."""
    text = re.sub(r"(?m)^#([A-Z_]+=)", r"\1", path.read_text())
    return re.sub(rf"(?m)^({'|'.join(REQUIRED)})=$", r"\1='it is $ecret #1'", text)


class TestCompose:
    @pytest.mark.parametrize(
        "example", [ROOT / ".env.example", *EXAMPLES], ids=lambda path: path.name
    )
    def test_every_example_is_enough(self, example: Path, client: list[str], project: Path) -> None:
        (project / ".env").write_text(filled(example))
        done = config(client, project)
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("missing", REQUIRED)
    def test_a_missing_secret_is_named(
        self, missing: str, client: list[str], project: Path
    ) -> None:
        (project / ".env").write_text(filled(EXAMPLES[0]).replace(f"{missing}=", "OTHER="))
        done = config(client, project)
        assert done.returncode != 0
        assert f"set {missing} in .env" in done.stderr

    def test_the_guides_own_project_fits_in(self, client: list[str], project: Path) -> None:
        guide = (ROOT / "docs/deployment.md").read_text()
        [override] = re.findall(r"(?s)```yaml\n(.*?)```", guide)
        (project / "docker-compose.override.yml").write_text(override)
        (project / ".env").write_text(filled(EXAMPLES[0]))
        done = config(client, project)
        assert done.returncode == 0, done.stderr
        assert set(yaml.safe_load(override)["services"]) < set(SERVICES)

    def test_a_word_that_compose_does_not_know_is_refused(
        self, client: list[str], project: Path
    ) -> None:
        (project / ".env").write_text(filled(EXAMPLES[0]))
        copy = project / FILE.name
        copy.write_text(copy.read_text().replace("healthcheck:", "healthchek:"))
        assert config(client, project).returncode != 0


class TestFile:
    def test_the_services_are_those_that_the_guide_names(self) -> None:
        assert sorted(SERVICES) == ["mariadb", "redis", "web", "worker"]
        assert int(SERVICES["mariadb"]["image"].partition("mariadb:10.")[2]) >= 11

    def test_nothing_is_seen_beyond_the_loopback(self) -> None:
        published = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert len(published) == 2
        assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port) for port in published)
        assert "ports" not in SERVICES["redis"]
        assert not any("network_mode" in service for service in SERVICES.values())

    def test_no_secret_stands_in_it(self) -> None:
        given = [pair for one in SERVICES.values() for pair in one.get("environment", {}).items()]
        secrets = [(key, value) for key, value in given if re.search("PASSWORD|SECRET", key)]
        assert {key for key, _value in secrets} > {"MARIADB_ROOT_PASSWORD", "DJANGO_SECRET_KEY"}
        for key, value in secrets:
            assert value == "" or re.fullmatch(rf"\$\{{{key}:\?set {key} in .+\}}", value), key

    def test_the_site_is_not_told_the_servers_root_password(self) -> None:
        for name in ("web", "worker"):
            assert SERVICES[name]["environment"]["MARIADB_ROOT_PASSWORD"] == ""

    def test_inside_the_local_side_is_the_server_here(self) -> None:
        for name in ("web", "worker"):
            environment = SERVICES[name]["environment"]
            assert environment["DB_LOCAL_HOST"] in SERVICES
            assert SERVICES[environment["DB_LOCAL_HOST"]]["ports"][0].endswith(
                f":{environment['DB_LOCAL_PORT']}"
            )
            assert environment["REDIS_HOST"] in SERVICES

    def test_every_service_says_how_it_is_and_comes_back(self) -> None:
        for name, service in SERVICES.items():
            assert service["restart"] == "unless-stopped", name
            assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"]), name

    def test_the_site_waits_for_its_servers(self) -> None:
        healthy = {"condition": "service_healthy"}
        for name in ("web", "worker"):
            assert SERVICES[name]["depends_on"] == {"mariadb": healthy, "redis": healthy}

    def test_a_new_container_finds_its_data_and_its_name(self) -> None:
        mounts = [mount for one in SERVICES.values() for mount in one.get("volumes", [])]
        named = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}
        assert named == set(COMPOSE["volumes"])
        data = {"mariadb": "/var/lib/mysql", "redis": "/data", "web": "/data", "worker": "/data"}
        for name, folder in data.items():
            assert any(mount.endswith(f"-data:{folder}") for mount in SERVICES[name]["volumes"])
        assert SERVICES["mariadb"]["hostname"]

    def test_what_is_mounted_is_here_and_stays_as_it_is(self) -> None:
        mounts = [mount for mount in SERVICES["mariadb"]["volumes"] if mount.startswith(".")]
        assert len(mounts) == 2
        for mount in mounts:
            source, _inside, mode = mount.split(":")
            assert any((ROOT / source).iterdir())
            assert mode == "ro"

    def test_the_site_has_no_rights_to_spare(self) -> None:
        for name in ("web", "worker"):
            assert SERVICES[name]["cap_drop"] == ["ALL"]
            assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]

    def test_a_stopped_worker_may_end_its_run(self) -> None:
        settings = (ROOT / "examples/shop/shop_site/compose.py").read_text()
        timeout = int(re.findall(r'"timeout": (\d+)', settings)[0])
        grace = re.fullmatch(r"(\d+)m", SERVICES["worker"]["stop_grace_period"])
        assert grace
        assert int(grace[1]) * 60 > timeout

    def test_the_papers_name_every_variable_with_its_default(self) -> None:
        asked = dict(re.findall(r"\$\{(\w+):[?-]([^}]*)\}", FILE.read_text()))
        defaults = {name: "" if name in REQUIRED else value for name, value in asked.items()}
        example = (ROOT / ".env.example").read_text()
        assert dict(re.findall(r"(?m)^#(\w+)=(.*)$", example)) | {"MARIADB_USER": ""} == defaults
        guide = (ROOT / "docs/deployment.md").read_text()
        told = {
            name: default.strip("`")
            for names, default in re.findall(r"(?m)^\| (`[A-Z].*?) \| (.*?) \|", guide)
            for name in re.findall(r"`(\w+)`", names)
        }
        assert told == {name: value or "required" for name, value in defaults.items()}


class Site(BaseHTTPRequestHandler):
    """Answers everything with one status."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def site() -> Iterator[tuple[type[Site], int]]:
    """A web server on a port of its own, and what it answers."""

    class Own(Site):
        pass

    server = HTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Own, server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def web_is_healthy(port: int) -> bool:
    """Runs the health check of `web`, but on another port."""
    kind, program, *words = SERVICES["web"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    words = [word.replace("8000", str(port)) for word in words]
    done = subprocess.run([sys.executable, *words], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("status", "healthy"), [(200, True), (302, True), (404, True), (400, True), (500, False)]
)
def test_a_site_is_healthy_that_answers(
    status: int, healthy: bool, site: tuple[type[Site], int]
) -> None:
    answers, port = site
    answers.status = status
    assert web_is_healthy(port) == healthy


def test_a_site_that_is_not_there_is_not_healthy() -> None:
    assert not web_is_healthy(servers.free_port())


def test_a_worker_is_healthy_while_its_cluster_runs(tmp_path: Path) -> None:
    kind, *words = SERVICES["worker"]["healthcheck"]["test"]
    assert (kind, words[:2]) == ("CMD", ["python", "manage.py"])

    with redis(tmp_path) as queue:
        # A cluster says that it is well whenever it looks after its workers.
        shop = QueuedShop(tmp_path, cluster={**queue, "guard_cycle": 0.5})
        (tmp_path / ".env").write_text(
            "DB_REMOTE_ENGINE=sqlite\nDB_REMOTE_NAME=remote.sqlite3\n"
            "DB_LOCAL_ENGINE=sqlite\nDB_LOCAL_NAME=local.sqlite3\n"
        )
        shop.manage("migrate", "--verbosity=0")

        def healthy() -> bool:
            done = subprocess.run(
                [sys.executable, str(ROOT / "examples/shop/manage.py"), *words[2:]],
                cwd=tmp_path,
                env=shop.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert "Traceback" not in done.stderr, done.stderr
            return done.returncode == 0

        assert not healthy()
        with shop.clusters():
            until(healthy, "the worker is healthy")
        # What a cluster said last is forgotten after some seconds.
        until(lambda: not healthy(), "the worker that has ended is not healthy")
