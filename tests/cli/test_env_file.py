"""Files of settings are read by systemd's rules, so that units and commands have the same settings."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from campaign.cli import env_file
from campaign.errors import SettingsError

RULES = {
    "A=plain value  ": "plain value",
    "A = spaced": "spaced",
    "  A=indented": "indented",
    "A=": "",
    "A=a#b # c": "a#b # c",
    "A=it's": "it's",
    'A=a"b"c': 'a"b"c',
    'A="quoted # no comment"': "quoted # no comment",
    r"A='single $x \n'": r"single $x \n",
    r'A="a \"b\" \\ \$ \` \n"': r'a "b" \ $ ` \n',
    r"A=a\ b\\c": r"a b\c",
    "A='x''y'": "xy",
    'A="x" y': "xy",
    "A=with \\\ncontinuation": "with continuation",
    'A="two\nlines"': "two\nlines",
    'A="joined \\\nlines"': "joined lines",
    "A=smtps://u:p%40ss@h?x=1&y=2": "smtps://u:p%40ss@h?x=1&y=2",
    "A=\u2028": "\u2028",
    "A=1\nA=2": "2",
    "A=windows\r\nB=x": "windows",
}
"""Lines and the value of A: systemd.exec(5), EnvironmentFile=; tried with systemd 252."""


@pytest.mark.parametrize("text", RULES)
def test_a_value_is_what_systemd_takes(text, tmp_path):
    path = tmp_path / "env"
    path.write_text(text, encoding="utf-8", newline="")

    assert env_file.read(path)["A"] == RULES[text]


def test_comments_and_empty_lines_are_left_out(tmp_path):
    path = tmp_path / "env"
    path.write_text("# A=1\n; B=2\n\n   # C=3\nD=4\n")

    assert env_file.read(path) == {"D": "4"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("export A=1", "leave out the word export"),
        ("A 1", "must be NAME=value"),
        ("1A=2", "must be NAME=value"),
        ("=2", "must be NAME=value"),
        ('A="open', "is not closed"),
        ("A='open\nB=1", "is not closed"),
        ("A=x\0y", "no variable can have"),
    ],
)
def test_what_systemd_would_skip_is_named_with_its_line_and_without_its_value(text, says, tmp_path):
    path = tmp_path / "env"
    path.write_text(f"# first\n{text}\n")

    with pytest.raises(SettingsError) as problem:
        env_file.read(path)

    assert says in str(problem.value)
    assert "line 2" in str(problem.value)


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path):
    path = tmp_path / "env"
    path.write_text("one\nA=1\ntwo\n")

    with pytest.raises(SettingsError) as problem:
        env_file.read(path)

    assert "line 1" in str(problem.value)
    assert "line 3" in str(problem.value)


@pytest.mark.parametrize("kind", ["missing", "folder", "latin"])
def test_a_file_that_can_not_be_read_is_named_in_a_sentence(kind, tmp_path):
    path = tmp_path / "env"
    if kind == "folder":
        path.mkdir()
    elif kind == "latin":
        path.write_bytes("A=ü".encode("latin-1"))

    with pytest.raises(SettingsError, match="can't be read"):
        env_file.read(path)


@given(text(characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")))
def test_a_value_that_is_written_is_read_as_it_was(value):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "env"
        path.write_text(f"{env_file.assignment('A', value)}\nB=1\n", encoding="utf-8", newline="")

        assert env_file.read(path) == {"A": value, "B": "1"}


def test_a_value_is_replaced_in_its_place_and_new_ones_come_last():
    before = '# c\nA="two\nlines"\n; d\nB=1 \\\n2\nA=3\nC=x'

    assert env_file.with_values(before, {"A": "a b", "B": "2", "D": "$"}) == (
        '# c\nA="two\nlines"\n; d\nB=2\nA="a b"\nC=x\nD="\\$"\n'
    )
