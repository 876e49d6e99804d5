"""The image: what its Dockerfile says, and that its last words really serve the shop."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

import servers
from example_shop import SHOP
from queued_shop import until

ROOT = Path(__file__).parents[2]
Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, as keyword and the rest, continued lines put together."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", "")
    found: list[list[Instruction]] = []
    for line in filter(str.strip, text.splitlines()):
        keyword, rest = line.split(maxsplit=1)
        if keyword == "FROM":
            found.append([])
        found[-1].append((keyword, rest))
    return found


WHEEL, SITE = stages()


def said(stage: list[Instruction], keyword: str) -> list[str]:
    return [rest for word, rest in stage if word == keyword]


def ignored(path: str) -> bool:
    """Whether .dockerignore leaves a path out, or a folder that it is in."""
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    parts = path.split("/")
    folders = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return any(
        fnmatch(folder.rpartition("/")[2], pattern[3:])
        if pattern.startswith("**/")
        else fnmatch(folder, pattern) and folder.count("/") == pattern.count("/")
        for pattern in patterns
        if pattern and not pattern.startswith("#")
        for folder in folders
    )


class TestDockerfile:
    def test_the_images_below_are_named_by_version_and_of_one_debian(self) -> None:
        [rust], [python] = said(WHEEL, "FROM"), said(SITE, "FROM")
        built = re.fullmatch(r"rust:(\d+)\.(\d+)-slim-(\w+) AS wheel", rust)
        run = re.fullmatch(r"python:3\.(\d+)-slim-(\w+)", python)
        assert built
        assert run
        least = re.findall(r'rust-version = "(\d+)\.(\d+)"', (ROOT / "Cargo.toml").read_text())[0]
        assert (int(built[1]), int(built[2])) >= (int(least[0]), int(least[1]))
        assert f"Python :: 3.{run[1]}" in (ROOT / "pyproject.toml").read_text()
        # The wheel is linked against the C library of the stage that it is built in.
        assert built[3] == run[2]

    def test_the_site_is_nobody_with_rights(self) -> None:
        *_before, (last, command) = SITE
        assert (last, command[0]) == ("CMD", "[")
        [user] = said(SITE, "USER")
        assert int(user) > 1000
        # A shell's user would be root again.
        assert SITE.index(("USER", user)) > max(
            at for at, (keyword, _rest) in enumerate(SITE) if keyword == "RUN"
        )
        assert f"--uid {user}" in " ".join(said(SITE, "RUN"))

    def test_no_tools_are_left_in_it(self) -> None:
        words = " ".join(rest for _keyword, rest in SITE)
        assert not re.search(r"apt|cargo|maturin|build-essential|gcc", words)
        assert "--from=wheel /wheels /wheels" in said(SITE, "COPY")

    def test_no_secret_is_baked_in(self) -> None:
        baked = said(SITE, "ENV") + said(SITE, "ARG") + said(WHEEL, "ENV") + said(WHEEL, "ARG")
        assert not re.search("PASSWORD|SECRET|TOKEN", " ".join(baked))
        for path in (".env", "mysite/.env", "examples/env/production.env", "shop/data.sqlite3"):
            assert ignored(path), path
        for path in (
            ".git",
            ".venv/bin/python",
            "target/release",
            "python/db_sync/_native.abi3.so",
        ):
            assert ignored(path), path

    def test_what_is_copied_is_here_and_not_ignored(self) -> None:
        [default] = [rest.partition("=")[2] for rest in said(SITE, "ARG")]
        copies = [
            copy.replace("${PROJECT}", default)
            for copy in said(WHEEL, "COPY") + said(SITE, "COPY")
            if not copy.startswith("--from=")
        ]
        sources = [source for copy in copies for source in copy.split()[:-1]]
        assert {"src", "python", "examples/shop"} < set(sources)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not ignored(source), source
        for path in ("python/db_sync/conf.py", "examples/shop/shop_site/compose.py"):
            assert not ignored(path), path

    def test_compose_puts_a_project_where_the_file_expects_it(self) -> None:
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        [default] = [rest.partition("=")[2] for rest in said(SITE, "ARG")]
        for name in ("web", "worker"):
            arguments = compose["services"][name]["build"]["args"]
            assert arguments == {"PROJECT": f"${{PROJECT:-{default}}}"}
        assert said(SITE, "EXPOSE") == [compose["services"]["web"]["ports"][0].rpartition(":")[2]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop, served by the image's last words with Compose's settings, on two SQLite files."""
    folder = tmp_path_factory.mktemp("served")
    port = servers.free_port()
    words = json.loads(said(SITE, "CMD")[0])
    program = Path(sys.executable).with_name(words[0])
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    settings = compose["services"]["web"]["environment"]["DJANGO_SETTINGS_MODULE"]
    sides = {
        f"DB_{side}_{key}": value
        for side in ("REMOTE", "LOCAL")
        for key, value in {"ENGINE": "sqlite", "NAME": str(folder / side.lower())}.items()
    }
    given = {
        "DJANGO_SETTINGS_MODULE": settings.partition(":-")[2].rstrip("}"),
        "DJANGO_SECRET_KEY": "only for this test",
    }
    foreign = ("DB_", "DJANGO_", "SHOP_")
    own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *[word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in words[1:]]],
            cwd=SHOP,
            env={**own, **sides, **given},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=servers.die_with_parent,  # noqa: PLW1509 - one call into libc, no locks
        )

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return bool(get(f"http://127.0.0.1:{port}/admin/login/"))
        except URLError:
            return False

    try:
        until(answers, "the site answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def get(address: str) -> str:
    """The body of what is there."""
    with urlopen(address, timeout=10) as answer:  # noqa: S310 - our own site
        body: bytes = answer.read()
    return body.decode()


def test_the_image_serves_the_admin_with_its_style_sheets(served: str) -> None:
    page = get(f"{served}/admin/login/")
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert sheets
    assert all(get(served + sheet) for sheet in sheets)
