"""One value of a `.env` file is replaced, and nothing else of it."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_sync import ConfigError, default_side, dotenv_file
from db_sync.default_side import NotTaken

SIDES = (
    b"DB_REMOTE_ENGINE=sqlite\nDB_REMOTE_NAME=r.db\nDB_LOCAL_ENGINE=sqlite\nDB_LOCAL_NAME=l.db\n"
)
# A file as it is, and as it is with DB_ENV=local.
CHANGES = {
    "plain": (b"DB_ENV=remote\n", b"DB_ENV=local\n"),
    "without a newline at its end": (b"A=1\nDB_ENV=remote", b"A=1\nDB_ENV=local"),
    "capitals": (b"DB_ENV=REMOTE\n", b"DB_ENV=local\n"),
    "single quotes": (b"DB_ENV='remote' # why\n", b"DB_ENV='local' # why\n"),
    "double quotes": (b'DB_ENV="remote"\n', b'DB_ENV="local"\n'),
    "a quote in a comment": (b"DB_ENV='remote' # it's\nA=1\n", b"DB_ENV='local' # it's\nA=1\n"),
    "export": (b"export DB_ENV=remote\n", b"export DB_ENV=local\n"),
    "export and tabs": (b"\texport\tDB_ENV = remote\t# x\n", b"\texport\tDB_ENV = local\t# x\n"),
    "a comment": (b"DB_ENV=remote  # one of two\n", b"DB_ENV=local  # one of two\n"),
    "empty": (b"DB_ENV=\nA=1\n", b"DB_ENV=local\nA=1\n"),
    "empty with a comment": (b"DB_ENV= # x\n", b"DB_ENV= local # x\n"),
    "a comment at once": (b"DB_ENV=# x\n", b"DB_ENV=local # x\n"),
    "line ends of Windows": (b"A=1\r\nDB_ENV=remote\r\nB=2\r\n", b"A=1\r\nDB_ENV=local\r\nB=2\r\n"),
    "an empty value there": (b"DB_ENV=\r\nB=2\r\n", b"DB_ENV=local\r\nB=2\r\n"),
    "twice": (b"DB_ENV=local\nA=1\nDB_ENV=remote\n", b"DB_ENV=local\nA=1\nDB_ENV=local\n"),
    "commented out": (b"# DB_ENV=remote\n", b"# DB_ENV=remote\nDB_ENV=local\n"),
    "missing": (b"A=1\n", b"A=1\nDB_ENV=local\n"),
    "missing after an open line": (b"A=1", b"A=1\nDB_ENV=local\n"),
    "missing, line ends of Windows": (b"A=1\r\n", b"A=1\r\nDB_ENV=local\r\n"),
    "other names": (b"XDB_ENV=remote\nDB_ENV2=remote\n", None),
    "within quotes": (b'A="x\nDB_ENV=remote\ny"\nB=1\n', None),
    "within single quotes": (b"A='x\nDB_ENV=remote\n'\n", None),
    "quotes over two lines": (b"DB_ENV='remote\n'\nA=1\n", b"DB_ENV='local\n'\nA=1\n"),
    "other scripts": ("A=密码\nDB_ENV=remote\n".encode(), "A=密码\nDB_ENV=local\n".encode()),
}


def expected(before: bytes, after: bytes | None) -> bytes:
    """What a change makes of a file; None stands for a line at its end."""
    return before + b"DB_ENV=local\n" if after is None else after


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DB_")]:
        if not name.startswith("DB_SYNC_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """A file that others in its group may read."""
    path = tmp_path / ".env"
    path.write_bytes(b"# both\nDB_ENV=remote\n" + SIDES)
    path.chmod(0o640)
    return path


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_only_the_value_changes(before: bytes, after: bytes | None) -> None:
    wanted = expected(before, after)
    assert dotenv_file.with_value(before, "DB_ENV", "local") == wanted
    assert dotenv_file.with_value(wanted, "DB_ENV", "local") == wanted


@pytest.mark.parametrize("before", [before for before, _after in CHANGES.values()], ids=CHANGES)
def test_the_engine_reads_what_was_meant(before: bytes, env: Path) -> None:
    env.write_bytes(SIDES + before)
    for side in ("local", "remote"):
        default_side.write(env, side)
        now = default_side.read(env)
        assert (now.side, now.origin) == (side, "file")
        assert (now.told["remote"]["name"], now.told["local"]["name"]) == ("r.db", "l.db")


def test_a_byte_order_mark_stays() -> None:
    mark = b"\xef\xbb\xbf"
    changed = dotenv_file.with_value(mark + b"DB_ENV=remote\n", "DB_ENV", "local")
    assert changed == mark + b"DB_ENV=local\n"
    assert dotenv_file.with_value(mark, "DB_ENV", "local") == mark + b"DB_ENV=local\n"


@given(st.text("DB_ENV=remotelocal'\"# \t\r\n\\${}", max_size=60))
def test_any_file_is_changed_as_meant_or_not_at_all(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_bytes(text.encode() + b"\n" + SIDES)
        try:
            before = default_side.read(path)
        except ConfigError:
            return
        other = {"remote": "local", "local": "remote"}[before.side]
        written = path.read_bytes()
        try:
            default_side.write(path, other)
        except NotTaken:
            assert path.read_bytes() == written
        else:
            after = default_side.read(path)
            assert after.told == {**before.told, "default": other}


@pytest.mark.parametrize(
    ("line", "side"), [("", "remote"), ("DB_ENV=\n", "remote"), ("# DB_ENV=local\n", "remote")]
)
def test_a_file_that_does_not_say_leaves_the_default(env: Path, line: str, side: str) -> None:
    env.write_bytes(SIDES + line.encode())
    now = default_side.read()
    assert (now.side, now.origin, now.path) == (side, "default", ".env")


def test_mode_owner_and_extended_attributes_stay(env: Path) -> None:
    if os.geteuid() == 0:
        os.chown(env, 4321, 8765)
    try:
        os.setxattr(env, "user.note", b"kept")
    except OSError:
        attributes = {}
    else:
        attributes = {"user.note": b"kept"}
    os.utime(env, (0, 0))
    before = env.stat()
    default_side.write(env, "local")
    after = env.stat()
    assert after.st_mtime > before.st_mtime
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert {name: os.getxattr(env, name) for name in attributes} == attributes


def test_an_owner_that_may_not_be_given_is_no_failure(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(handle: int, owner: int, group: int) -> None:
        asked.append((owner, group))
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    default_side.write(env, "local")
    # The group alone is tried too: often it is by the group that a server may read the file.
    assert asked == [(env.stat().st_uid, env.stat().st_gid), (-1, env.stat().st_gid)]
    assert default_side.read().side == "local"


def test_the_file_behind_a_link_is_replaced(env: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    real = tmp_path / "shared/settings.env"
    env.rename(real)
    env.symlink_to(real)
    default_side.write(env, "local")
    assert env.is_symlink()
    assert b"DB_ENV=local\n" in real.read_bytes()
    assert [path.name for path in real.parent.iterdir()] == ["settings.env"]


def test_a_new_file_takes_the_old_ones_place_once_it_is_on_disk(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, str, int]] = []

    def note(name: str) -> None:
        call: Callable[..., None] = getattr(os, name)

        def noted(what: int | str, *more: str) -> None:
            path = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else what
            steps.append((name, os.path.dirname(path), stat.S_IMODE(os.stat(path).st_mode)))
            call(what, *more)

        monkeypatch.setattr(os, name, noted)

    old = env.open("rb")
    note("fsync")
    note("replace")
    default_side.write(env, "local")
    folder = str(env.parent)
    assert [step[0] for step in steps] == ["fsync", "replace", "fsync"]
    assert [step[1] for step in steps] == [folder, folder, str(env.parent.parent)]
    assert [step[2] for step in steps[:2]] == [0o640, 0o640]
    with old:
        # Whoever had it open reads the old one to its end.
        assert b"DB_ENV=remote\n" in old.read()


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_everything_as_it_was(
    env: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = env.read_bytes()

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, failing, fail)
        with pytest.raises(OSError, match="No space left"):
            default_side.write(env, "local")
    assert env.read_bytes() == before
    assert list(env.parent.iterdir()) == [env]


@pytest.mark.parametrize(
    "text",
    [
        # Another setting depends on it.
        b"DB_ENV=remote\nDB_REMOTE_NAME=${DB_ENV}.db\n",
        # A value in two pieces.
        b"DB_ENV='rem'ote\n",
    ],
)
def test_what_would_change_more_is_left_alone(env: Path, text: bytes) -> None:
    env.write_bytes(SIDES + text)
    with pytest.raises(NotTaken):
        default_side.write(env, "local")
    assert env.read_bytes() == SIDES + text
    assert list(env.parent.iterdir()) == [env]


def test_the_environment_goes_before_the_file(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_ENV", "local")
    now = default_side.read()
    assert (now.side, now.origin) == ("local", "environment")
    # Set and empty, it still hides what the file says.
    monkeypatch.setenv("DB_ENV", "")
    env.write_bytes(b"DB_ENV=local\n" + SIDES)
    now = default_side.read()
    assert (now.side, now.origin) == ("remote", "environment")


def test_an_environment_hides_a_value_that_is_not_allowed(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.write_bytes(b"DB_ENV=sideways\n" + SIDES)
    monkeypatch.setenv("DB_ENV", "local")
    assert default_side.read().origin == "environment"


def test_what_a_settings_module_has_loaded_from_the_file_is_the_files(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As load_dotenv() does; the process itself was started without it.
    monkeypatch.setenv("DB_ENV", "remote")
    assert default_side.read().origin == "file"
    default_side.write(env, "local")
    assert b"DB_ENV=local\n" in env.read_bytes()
    assert os.environ["DB_ENV"] == "remote"


def test_what_a_process_was_started_with_is_the_environments(
    env: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_with = tmp_path / "environ"
    started_with.write_bytes(b"A=1\0DB_ENV=remote\0B=2\0")
    monkeypatch.setattr(default_side, "_STARTED_WITH", started_with)
    monkeypatch.setenv("DB_ENV", "remote")
    assert default_side.read().origin == "environment"
    # Where nobody can tell, the environment counts.
    started_with.unlink()
    assert default_side.read().origin == "environment"


@pytest.mark.parametrize(
    ("text", "mode", "shown"),
    [
        (b"DB_REMOTE_PASSWORD=s3cret\n", 0o644, True),
        (b"export DB_LOCAL_PASSWORD='s3cret'\n", 0o604, True),
        (b"DB_REMOTE_PASSWORD=s3cret\n", 0o640, False),
        (b"DB_REMOTE_PASSWORD=\nDB_LOCAL_PASSWORD='' # none\n", 0o644, False),
        (b"# DB_REMOTE_PASSWORD=s3cret\n", 0o644, False),
        (b"DB_REMOTE_USER=sync\n", 0o644, False),
    ],
)
def test_passwords_that_everybody_may_read(env: Path, text: bytes, mode: int, shown: bool) -> None:
    env.write_bytes(text)
    env.chmod(mode)
    assert dotenv_file.shows_passwords(env) is shown


def test_a_file_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    assert not dotenv_file.shows_passwords(tmp_path / "none")
    assert not dotenv_file.shows_passwords(tmp_path)
