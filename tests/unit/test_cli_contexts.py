"""Contexts: kept in a file of the user alone, checked, and chosen in a fixed order."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import contexts, remote
from controller.cli.contexts import BadPlace, Context, Contexts
from controller.cli.main import app
from controller.cli.place import VARIABLE, Chosen, Place

EAST = Context(("10.0.0.1:7450",), ca=Path("/ca.pem"), cert=Path("/me.pem"), key=Path("/me.key"))
HERE = Context(socket=Path("/run/state.db.api.sock"))


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where contexts are in this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return contexts.file()


def said(*arguments: str, code: int = 0) -> str:
    """What a command printed, on both outputs."""
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == code, run.output
    return str(run.output)


def test_a_context_is_set_used_listed_and_deleted(file: Path) -> None:
    said("context", "set", "east", "--server", "10.0.0.1:7450", "--ca", "/ca", "--cert", "/me", "--key", "/k")
    said("context", "set", "here", "--socket", "/run/api.sock")
    assert said("context", "list").splitlines() == [
        "   NAME  REACHED AT     CERTIFICATE",
        "   east  10.0.0.1:7450  /me",
        "   here  /run/api.sock  -",
    ]
    said("context", "use", "east")
    assert "*  east" in said("context", "list")
    said("context", "use", "--none")
    assert "*" not in said("context", "list")
    said("context", "use", "here")
    said("context", "delete", "here")
    assert contexts.read(file).current == ""
    assert "there is no context" in said("context", "use", "here", code=2)


def test_the_file_is_its_user_s_alone_and_reads_back(file: Path) -> None:
    known = Contexts({"east": EAST, "here": HERE}, "here")
    contexts.write(file, known)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert contexts.read(file) == known
    file.chmod(0o644)
    contexts.write(file, known)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["contexts.yaml"]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("contexts: [a]\n", "1:11", "no mapping"),
        ("current: x\ncontexts: {}\n", "1:10", 'current is "x"'),
        ("contexts:\n  a: {sock: /x}\n", "2:7", 'unknown key "sock"'),
        ("contexts:\n  a: {servers: 10.0.0.1}\n", "2:16", "no list"),
        ("contexts:\n  a: {servers: ['10.0.0.1:1']}\n", "2:6", "beyond this machine"),
        ("contexts: {a: {}}\n", "1:15", "either"),
        ("a: 1\na: 2\n", "2:1", "duplicate key"),
        ("a: [\n", "2:1", "not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(file: Path, text: str, place: str, problem: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(BadPlace) as caught:
        contexts.read(file)
    assert str(caught.value).startswith(f"{file}:{place}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("context", "problem"),
    [
        (Context(), "either --server"),
        (Context(("127.0.0.1:1",), Path("/x")), "either --server"),
        (Context(socket=Path("/x"), ca=Path("/ca")), "are for --server"),
        (Context(("10.0.0.1:7450",), ca=Path("/ca")), "--cert and --key: missing"),
        (Context(("10.0.0.1:7450",)), "beyond this machine"),
        (Context(("10.0.0.1:7450",), token=Path("/t")), "beyond this machine"),
        (Context(("10.0.0.1:7450",), ca=Path("/ca"), cert=Path("/c"), token=Path("/t")), "--key: missing"),
        (Context(socket=Path("/x"), token=Path("/t")), "asks for neither certificate nor token"),
        (Context(("127.0.0.1",)), "write ADDRESS:PORT"),
        (Context(("127.0.0.1:0",)), "write ADDRESS:PORT"),
        (Context(("fd00::1:7450",)), "write ADDRESS:PORT"),
    ],
)
def test_a_context_that_cannot_work_is_refused(context: Context, problem: str) -> None:
    with pytest.raises(BadPlace, match=problem):
        context.check()


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        (None, 0o600, "is not there; name a file that holds a token"),
        ("ek_x", 0o644, "others can read or write it"),
        ("", 0o600, "holds no token"),
        ("ek_x\nek_y", 0o600, "holds no token"),
        ("x" * 201, 0o600, "holds no token"),
    ],
)
def test_a_file_that_holds_no_token_is_named(
    tmp_path: Path, text: str | None, mode: int, problem: str
) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(BadPlace, match=problem) as caught:
        Context(("127.0.0.1:7450",), token=path).read_token()
    assert str(path) in str(caught.value)
    assert "ek_x" not in str(caught.value)


@pytest.mark.parametrize("server", ["127.0.0.1:7450", "[::1]:7450", "localhost:7450"])
def test_this_machine_is_reached_without_certificates(server: str) -> None:
    Context((server,)).check()


def test_options_win_over_the_variable_and_that_over_the_current_context(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Chosen().place() == Place()
    contexts.write(file, Contexts({"east": EAST, "here": HERE}, "here"))
    assert Chosen().place() == Place(context=HERE, name="here")
    monkeypatch.setenv(VARIABLE, "east")
    assert Chosen().place() == Place(context=EAST, name="east")
    assert Chosen(context="here").place() == Place(context=HERE, name="here")
    assert Chosen(Path("x.db")).place() == Place(Path("x.db"))
    with pytest.raises(BadPlace, match="exclude each other"):
        Chosen(Path("x.db"), "here").place()
    monkeypatch.setenv(VARIABLE, "west")
    with pytest.raises(BadPlace, match='no context "west"; known: east, here'):
        Chosen().place()


def test_without_a_controller_a_command_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LOOK", 0.5)
    state = tmp_path / "state.db"
    text = said("get", "pools", "--state", str(state), code=4)
    assert text.startswith(f"{state}.api.sock: No such file or directory; is a controller running")
    said("context", "set", "near", "--server", "127.0.0.1:1")
    assert "no controller answers" in said("get", "pools", "--context", "near", "--timeout", "1s", code=4)
    assert "--timeout soon: write a number" in said("get", "pools", "--timeout", "soon", code=2)
    assert "no controller answers" in said("move", "shop", "--context", "near", code=2)


def test_certificates_that_are_not_there_are_named() -> None:
    said("context", "set", "e", "--server", "10.0.0.1:1", "--ca", "/no", "--cert", "/no", "--key", "/no")
    assert "context e: 10.0.0.1:1: /no: No such file" in said("get", "pools", "--context", "e", code=2)
