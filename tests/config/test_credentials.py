"""Who may post alerts, and that rotation loses nothing."""

import base64
import logging
from pathlib import Path

import pytest

from remediator.config.credentials import Credentials, InvalidCredentials


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with one token."""
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    return file


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read again at each request instead of once a second."""
    monkeypatch.setattr("remediator.config.credentials.REREAD_SECONDS", 0.0)


def basic(userpass: str) -> str:
    """The header of a Basic user."""
    return f"Basic {base64.b64encode(userpass.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("BEARER s3cret", True),
        ("Bearer  s3cret ", True),
        ("Bearer S3CRET", False),
        ("Bearer s3cre", False),
        ("Bearer s3crets", False),
        ("Bearer s3cret s3cret", False),
        ("Bearers3cret", False),
        ("s3cret", False),
        ("Basic s3cret", False),
        ("Bearer ", False),
        ("Bearer", False),
        ("", False),
        (" ", False),
        ("Bearer s3cret\x00", False),
        ("Bearer \u202es3cret💥", False),
    ],
)
def test_a_token_has_to_be_the_very_one(token_file: Path, header: str, accepted: bool) -> None:
    """A bearer token is accepted as a whole and exactly, and only the scheme knows no case."""
    assert Credentials([token_file], []).accept(header) is accepted


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (basic("alertmanager:pa:ss"), True),
        (basic("second:word"), True),
        (basic("alertmanager:pa:ss").replace("Basic", "basic"), True),
        (basic("alertmanager:"), False),
        (basic("alertmanager:word"), False),
        (basic("Alertmanager:pa:ss"), False),
        ("Bearer alertmanager:pa:ss", False),
        ("Basic alertmanager:pa:ss", False),
    ],
)
def test_a_basic_user_has_to_be_the_very_one(tmp_path: Path, header: str, accepted: bool) -> None:
    """A user is accepted with its own password, which may hold a colon."""
    file = tmp_path / "users"
    file.write_text("alertmanager:pa:ss\nsecond:word\n")

    assert Credentials([], [file]).accept(header) is accepted


def test_a_token_beyond_ascii_is_accepted(tmp_path: Path) -> None:
    """A token is bytes: WSGI hands them over as Latin-1, and they are the same."""
    file = tmp_path / "token"
    file.write_text("clé\n", encoding="utf-8")

    assert Credentials([file], []).accept("Bearer " + "clé".encode().decode("latin-1"))


def test_several_are_valid_at_once(token_file: Path, tmp_path: Path) -> None:
    """Tokens of two files, two tokens of one file, and users are all valid at the same time."""
    other, users = tmp_path / "other", tmp_path / "users"
    other.write_text("old\r\n\r\n  new  \n")
    users.write_text("ada:word")
    credentials = Credentials([token_file, other], [users])

    assert [
        credentials.accept(header) for header in ("Bearer s3cret", "Bearer old", "Bearer new", basic("ada:word"))
    ] == [True] * 4
    assert not credentials.accept("Bearer ")


@pytest.mark.usefixtures("_at_once")
def test_a_rotation_loses_nothing(token_file: Path) -> None:
    """The new token is valid once it is in the file, the old one until it is taken out."""
    credentials = Credentials([token_file], [])
    seen = []
    for text in ("s3cret\nnew\n", "new\n"):
        token_file.write_text(text)
        seen.append((credentials.accept("Bearer s3cret"), credentials.accept("Bearer new")))

    assert seen == [(True, True), (False, True)]


def test_files_are_not_read_at_each_request(token_file: Path) -> None:
    """Within a second of the last look a file is not looked at again."""
    credentials = Credentials([token_file], [])
    token_file.unlink()

    assert credentials.accept("Bearer s3cret")


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("gone_bad", ["missing", "empty"])
def test_a_file_gone_bad_keeps_its_last_credentials(
    token_file: Path, caplog: pytest.LogCaptureFixture, gone_bad: str
) -> None:
    """A file that cannot be read again keeps what it said; that is logged once and reported until it is good."""
    reports: list[bool] = []
    credentials = Credentials([token_file], [], on_reload=reports.append)
    if gone_bad == "missing":
        token_file.unlink()
    else:
        token_file.write_text("\n")

    assert credentials.accept("Bearer s3cret")
    assert credentials.accept("Bearer s3cret")
    token_file.write_text("new")
    assert credentials.accept("Bearer new")
    assert reports == [True, False, False, True]
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.ERROR, "failed to reload credentials, keeping the previous ones")
    ]


@pytest.mark.usefixtures("_at_once")
def test_one_bad_file_does_not_stop_the_others(token_file: Path, tmp_path: Path) -> None:
    """A token that is rotated in one file is valid although another file is gone."""
    users = tmp_path / "users"
    users.write_text("ada:word")
    credentials = Credentials([token_file], [users])
    users.unlink()
    token_file.write_text("new")

    assert credentials.accept("Bearer new")
    assert credentials.accept(basic("ada:word"))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file without any credential is refused, and the message says what belongs there."""
    file = tmp_path / "file"
    file.write_text(text)

    with pytest.raises(InvalidCredentials, match="file: is empty; write a token on a line of its own"):
        Credentials([file], [])
    with pytest.raises(InvalidCredentials, match="file: is empty; write user:password on a line of its own"):
        Credentials([], [file])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is refused at the start, with the flag that names it and the system's reason."""
    with pytest.raises(InvalidCredentials, match=r"^--web\.token-file=.*none: cannot be read: No such file"):
        Credentials([tmp_path / "none"], [])
    with pytest.raises(InvalidCredentials, match=r"^--web\.basic-auth-file=.*none: cannot be read"):
        Credentials([], [tmp_path / "none"])


def test_a_user_without_password_is_refused_without_showing_it(tmp_path: Path) -> None:
    """A line that is no user:password is named by its number, for it may be a secret in the wrong file."""
    file = tmp_path / "users"
    file.write_text("ada:word\nhunter2\n")

    with pytest.raises(InvalidCredentials, match="users:2: not of the form user:password") as caught:
        Credentials([], [file])
    assert "hunter2" not in str(caught.value)


def test_a_line_is_numbered_as_an_editor_numbers_it(tmp_path: Path) -> None:
    """Empty lines count, so that the number leads to the line."""
    file = tmp_path / "users"
    file.write_text("ada:word\n\nhunter2\n")

    with pytest.raises(InvalidCredentials, match="users:3: not of the form user:password"):
        Credentials([], [file])


@pytest.mark.parametrize("line", [":", "ada:", ":word"])
def test_a_user_with_nothing_to_say_is_refused(tmp_path: Path, line: str) -> None:
    """A user without name or password would let in whoever sends none."""
    file = tmp_path / "users"
    file.write_text(line)

    with pytest.raises(InvalidCredentials, match="users:1: not of the form user:password"):
        Credentials([], [file])
