"""Every key and value of a YAML file knows its line, and what can be read in two ways is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from remediator.config.document import MAX_BYTES, Document, InvalidDocument, Problem, parse_document, read_text


def problems(text: str) -> list[str]:
    """The problems of a text that is refused, as lines."""
    with pytest.raises(InvalidDocument) as caught:
        parse_document(text, "f.yaml")
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return str(caught.value).splitlines()


NESTED = """\
# a comment
targets:
  denis: {namespace: denis,
          deployment: denis}

remediations:
- name: rollback
  matchers:
  - a="b"
  - c="d"
- name: scale
"""


def test_a_document_holds_the_value_as_yaml_means_it() -> None:
    """Maps, lists, texts and numbers come as they are."""
    document = parse_document("a: [1, two, 3.5, true, null]\n0: {b: 'c'}\n", "f.yaml")

    assert document.value == {"a": [1, "two", 3.5, True, None], 0: {"b": "c"}}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null"])
def test_an_empty_document_has_no_value(text: str) -> None:
    """A file without content is read as nothing, and its shape is somebody else's question."""
    assert parse_document(text, "f.yaml").value is None


@pytest.mark.parametrize(
    ("path", "line", "field"),
    [
        (("targets",), 2, "targets"),
        (("targets", "denis"), 3, "targets.denis"),
        (("targets", "denis", "deployment"), 4, "targets.denis.deployment"),
        (("remediations",), 6, "remediations"),
        (("remediations", 0), 7, "remediations[0]"),
        (("remediations", 0, "matchers"), 8, "remediations[0].matchers"),
        (("remediations", 0, "matchers", 1), 10, "remediations[0].matchers[1]"),
        (("remediations", 1, "name"), 11, "remediations[1].name"),
        (("remediations", 1, "cooldown"), 11, "remediations[1].cooldown"),
        (("remediations", 1, "budget", "acts"), 11, "remediations[1].budget.acts"),
        (("profiles", 0, "A"), 2, "profiles[0].A"),
        ((), 2, ""),
    ],
)
def test_a_problem_stands_on_the_line_of_its_field(path: tuple[str | int, ...], line: int, field: str) -> None:
    """A problem is on the line of its key, or of the nearest part that is really there."""
    problem = parse_document(NESTED, "f.yaml").problem(path, "is wrong")

    assert problem == Problem(file="f.yaml", line=line, field=field, message="is wrong")


def test_a_problem_of_an_empty_file_is_on_line_1() -> None:
    """Where there is no line, the first one is named."""
    assert Document(file="f.yaml", value=None, lines={}).problem(("a",), "is required").line == 1


def test_a_problem_is_one_line_of_text() -> None:
    """A problem is written as file, line, field and message, without an empty field."""
    assert str(Problem(file="f", line=3, field="a.b", message="is wrong")) == "f:3: a.b: is wrong"
    assert str(Problem(file="f", line=3, field="", message="is wrong")) == "f:3: is wrong"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: the key is duplicated, first on line 1; keep one", id="top"),
        pytest.param(
            "x:\n- a: 1\n  a: 1\n", "f.yaml:3: x[0].a: the key is duplicated, first on line 2; keep one", id="inner"
        ),
        pytest.param("{a: 1, 'a': 2}", "f.yaml:1: a: the key is duplicated, first on line 1; keep one", id="quoted"),
        pytest.param(
            "x: {0: 1,\n0x0: 2}", "f.yaml:2: x[0]: the key is duplicated, first on line 1; keep one", id="0x0"
        ),
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str, expected: str) -> None:
    """Of two equal keys neither wins: both lines are named."""
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n  1.5: x\n", "f.yaml:2: a: 1.5 cannot be a key; write text or a whole number"),
        ("? [b]\n: x\n", "f.yaml:1: ['b'] cannot be a key; write text or a whole number"),
        ("null: x\n", "f.yaml:1: None cannot be a key; write text or a whole number"),
    ],
    ids=["number with a point", "list", "null"],
)
def test_a_key_that_is_no_word_is_refused(text: str, expected: str) -> None:
    """Keys are words or whole numbers."""
    assert problems(text) == [expected]


def test_all_problems_come_together_in_the_order_of_the_lines() -> None:
    """A file with several problems is told all of them, from the top."""
    assert problems("a: 1\nb: {1.5: 2}\na: 3\n1.5: 4\n") == [
        "f.yaml:2: b: 1.5 cannot be a key; write text or a whole number",
        "f.yaml:3: a: the key is duplicated, first on line 1; keep one",
        "f.yaml:4: 1.5 cannot be a key; write text or a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("a:\n\tb: 1\n", 2, r"found character '\t' that cannot start any token", id="tab"),
        pytest.param("a: [1\nb: 2\n", 2, "expected ',' or ']'", id="bracket left open"),
        pytest.param("a: 1\nb: *c\n", 2, "found undefined alias 'c'", id="unknown alias"),
        pytest.param("a: 1\n b: 2\n", 2, "mapping values are not allowed here", id="indentation"),
        pytest.param("a: 'b\n", 2, "found unexpected end of stream", id="quote left open"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "found another document", id="two documents"),
        pytest.param("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "tag:yaml.org,2002:merge", id="merge"),
        pytest.param("a: 1\nb: !!python/name:os.system\n", 2, "python/name:os.system", id="tag of Python"),
        pytest.param("a: &x {*x: 1}\n", 1, "recursive", id="alias inside of its own key"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    """A file that is not YAML is refused on the line where it stops being YAML."""
    (problem,) = problems(text)

    assert problem.startswith(f"f.yaml:{line}: not YAML: ")
    assert message in problem


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: 1\nb: 2026-99-99\n", id="a date that is none"),
        pytest.param("a: 1\nb: !!int x\n", id="a number that is none"),
        pytest.param("a: 1\nb: " + "9" * 5000 + "\n", id="a number without end"),
        pytest.param("a: 1\n2026-99-99: b\n", id="a date as a key"),
    ],
)
def test_a_value_that_is_none_is_refused_with_its_line(text: str) -> None:
    """A value that looks like a date or number and is none is refused on its own line."""
    (problem,) = problems(text)

    assert problem.startswith("f.yaml:2: ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: 1\nb: !!bool maybe\n", id="KeyError"),
        pytest.param("a: 1\nb: !!timestamp maybe\n", id="AttributeError"),
        pytest.param("a: 1\nb: !!int ''\n", id="IndexError"),
        pytest.param("a: 1\nb: \x00\n", id="ReaderError"),
        pytest.param("a: 1\nb: \x1b[31m\n", id="ReaderError-escape"),
    ],
)
def test_nothing_but_invalid_document_is_raised(text: str) -> None:
    """Control characters and tags that do not fit their values are refused, on their line, like all else."""
    (problem,) = problems(text)

    assert problem.startswith("f.yaml:2: not YAML: ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 5_000, id="left open"),
        pytest.param("[" * 2_000 + "]" * 2_000, id="lists"),
        pytest.param("{a: " * 2_000 + "}" * 2_000, id="maps"),
        pytest.param("a: 1\nb: &b [*b]\n", id="list inside of itself"),
        pytest.param("a: 1\nb: &b {c: *b}\n", id="map inside of itself"),
    ],
)
def test_a_bomb_of_nesting_is_refused(text: str) -> None:
    """A file nested without end is refused in words."""
    assert problems(text) == ["f.yaml:1: nested too deeply, or an alias inside of itself"]


def test_nesting_of_1_mib_ends_in_words_and_not_in_a_crash() -> None:
    """A file of nothing but nesting, as large as a file may be, is refused in words in every way of nesting."""
    program = """
import sys
from remediator.config.document import MAX_BYTES, InvalidDocument, parse_document
for level in ("[", "{", "{a: ", "- ", "? ", "[a]: [", "a: [b, "):
    try:
        parse_document(level * (MAX_BYTES // len(level)), "f.yaml")
    except InvalidDocument as error:
        print(level, error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")
    assert len(run.stdout.splitlines()) == 7


def test_a_bomb_of_aliases_is_refused() -> None:
    """A small file whose aliases stand for hundreds of thousands of values is refused."""
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 17))

    assert "alias" in problems(text)[0]


def test_an_alias_is_what_it_stands_for() -> None:
    """An honest alias is read as the value of its anchor."""
    assert parse_document("a: &x {b: [1]}\nc: *x\n", "f.yaml").value == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_a_file_of_1_mib_is_read_and_one_byte_more_is_not() -> None:
    """The limit is 1 MiB of bytes, and not of characters."""
    text = "a: 1\n#"

    assert parse_document(text.ljust(MAX_BYTES, "x"), "f.yaml").value == {"a": 1}
    assert problems(text.ljust(MAX_BYTES + 1, "x")) == ["f.yaml:1: the file is over 1 MiB"]
    assert problems(text + "é" * (MAX_BYTES // 2)) == ["f.yaml:1: the file is over 1 MiB"]


def read(text: str) -> Document | str:
    """The document in a text, or what is said against it."""
    try:
        return parse_document(text, "f.yaml")
    except InvalidDocument as error:
        return str(error)


FRAGMENTS = (
    "a", "1", "1.5", "0x1F", "true", "~", "2026-01-01", "12:30", "é", '"x"', '"\\x41"', "'", '"', "\\", "@", "<<",
    ": ", ":", "- ", "? ", "?", "[", "]", "{", "}", ", ", ",", "#", " # c", "|", ">-", "&a", "*a", "!t", "!!str ", "%",
    "\n", "\n  ", "\n    ", "\n- ", "\n  - ", "\nb: ", "\n  c: ", "\r\n", "\r", "\t", "\x85", "\u2028", "\ufeff",
    "---", "\n---\n", "\n...\n", "%YAML 1.2\n---\n", "\x00", "|\n  x\n", "> \n y\n", "b: {c: [d, e]}\n",
)  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
@example(NESTED)
@example("a: {b: c?d}")
@example("a: |# b")
@settings(max_examples=500)
def test_a_file_is_read_in_the_same_way_without_libyaml(text: str) -> None:
    """Where PyYAML has no libyaml, a file means the same on the same lines, or is refused in the same words."""
    for whole in (text, f"a: {text}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(yaml, "__with_libyaml__", False)
            expected = read(whole)
        assert repr(read(whole)) == repr(expected)


def test_a_byte_order_mark_is_no_content() -> None:
    """A file that an editor of Windows saved is read like any other."""
    assert parse_document("\ufeffa: 1\r\nb: 2\r\n", "f.yaml").value == {"a": 1, "b": 2}


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    """The text of a file is that of its bytes in UTF-8, whatever the locale is."""
    file = tmp_path / "f.yaml"
    file.write_bytes("équipe: 💥\n".encode())

    assert read_text(file) == "équipe: 💥\n"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused, and the message says where they are."""
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: 1\nb: \xe9quipe\n")

    with pytest.raises(InvalidDocument) as caught:
        read_text(file)
    assert "is not UTF-8: invalid continuation byte at byte 8" in str(caught.value)


def test_bytes_that_are_not_utf_8_are_refused_on_their_line(tmp_path: Path) -> None:
    """The line of the first byte that is not UTF-8 is named, which is what an editor can jump to."""
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: 1\nb: \xe9quipe\n")

    with pytest.raises(InvalidDocument) as caught:
        read_text(file)
    assert str(caught.value).startswith(f"{file}:2: is not UTF-8")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A file that is missing, or a folder in its place, is refused with the system's reason and without a line."""
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InvalidDocument) as caught:
            read_text(path)
        assert str(caught.value) == f"{path}: cannot be read: {reason}"
