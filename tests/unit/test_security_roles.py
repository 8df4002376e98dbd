"""Roles: who may call what for which resources, and files whose errors have a line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from controller.cli.main import app
from controller.model.errors import ConfigErrors
from controller.security.access import access
from controller.security.certificates import Role
from controller.security.errors import SecurityError
from controller.security.roles import LOCAL, METHODS, Grant, Level, Origin, Peer, Resource, Roles, Scope
from controller.security.rolesfile import add_token, load_tokens, read_roles, read_tokens

WEB = Resource("pool", "web", {"team": "web"})
MAIL = Resource("pool", "mail", {"team": "mail"})
LB1 = Resource("switch", "lb1")

ANY = "certificate 'ci' may change some resources only, and Apply is not about single ones"
NO_ROLE = "certificate {!r} has no role; an admin gives it one in the roles file"
FILE = """\
certificates:
  - {name: alice, role: admin}
  - name: ci
    role: operator
    only:
      - {kinds: [pool, backend], names: ["web", "web/*"]}
      - {labels: {team: mail}}
  - {name: left, role: none}
tokens:
  - {name: grafana, role: viewer}
"""


def cert(name: str, issued: Role | None = None) -> Peer:
    return Peer(Origin.CERTIFICATE, name, issued)


@pytest.mark.parametrize(
    ("peer", "method", "resources", "says"),
    [
        (cert("alice"), "ClaimWithoutQuorum", (), None),
        (cert("alice"), "/evenkeel.v1.IntentService/Apply", (LB1,), None),
        (LOCAL, "ClaimWithoutQuorum", (), None),
        (cert("ci"), "Get", (MAIL,), None),
        (cert("ci"), "SetWeights", (WEB, Resource("backend", "web/s1")), None),
        (cert("ci"), "SetWeights", (MAIL,), None),
        (
            cert("ci"),
            "SetWeights",
            (WEB, Resource("backend", "api/s1"), Resource("backend", "api/s2")),
            "certificate 'ci' may change some resources only, and backend 'api/s1' and 1 more is not among them",
        ),
        (
            cert("ci"),
            "Apply",
            (MAIL, Resource("pool", "mail", {"team": "ops"})),
            "certificate 'ci' may change some resources only, and pool 'mail' is not among them",
        ),
        (cert("ci"), "Apply", (), ANY),
        (cert("ci"), "DrainSite", (), "certificate 'ci' is an operator, and DrainSite is for an admin"),
        (cert("ci"), "Apply", (LB1,), "certificate 'ci' is an operator, and Apply of switch 'lb1' is for an admin"),
        (cert("ci"), "NotYetInvented", (), "certificate 'ci' is an operator, and NotYetInvented is for an admin"),
        (Peer(Origin.TOKEN, "grafana"), "List", (), None),
        (Peer(Origin.TOKEN, "grafana"), "Drain", (WEB,), "token 'grafana' is a viewer, and Drain is for an operator"),
        (Peer(Origin.TOKEN, "alice"), "Get", (), "token 'alice' has no role; an admin gives it one in the roles file"),
        (cert("grafana"), "Get", (), "certificate 'grafana' has no role; an admin gives it one in the roles file"),
        (cert("", Role.CONTROLLER), "Get", (), "certificate '' has no role; an admin gives it one in the roles file"),
        (cert("bob", Role.OPERATOR), "Drain", (MAIL,), None),
        (cert("left", Role.ADMIN), "Get", (), NO_ROLE.format("left")),
        (cert("ns", Role.NAMESERVER), "FollowNames", (), None),
        (cert("ns", Role.NAMESERVER), "ReportNames", (), None),
        (cert("ns", Role.NAMESERVER), "Drain", (MAIL,), "certificate 'ns' is a viewer, and Drain is for an operator"),
        (cert("v", Role.VIEWER), "ReportNames", (), "certificate 'v' is a viewer, and ReportNames is for an operator"),
        (cert("left", Role.NAMESERVER), "ReportNames", (), NO_ROLE.format("left")),
        (cert("sw", Role.SWITCH), "Get", (), "certificate 'sw' has no role; an admin gives it one in the roles file"),
    ],
)  # fmt: skip
def test_who_may_do_what(peer: Peer, method: str, resources: tuple[Resource, ...], says: str | None) -> None:
    assert read_roles(FILE, "roles.yaml").why_not(peer, method, resources) == says


def test_a_role_that_a_certificate_was_issued_for_may_be_ignored() -> None:
    roles = read_roles("as_issued: false\n", "roles.yaml")
    assert roles.why_not(cert("bob", Role.ADMIN), "Get") is not None


@given(
    st.sampled_from(Level),
    st.sampled_from([*METHODS, "Other", "DrainSite"]),
    st.lists(st.sampled_from([WEB, MAIL, LB1])),
    st.lists(st.sampled_from([Scope(labels={"team": "web"}), Scope(frozenset({"switch"}))])),
)
def test_no_restriction_and_no_lower_level_lets_more_through(
    level: Level, method: str, resources: list[Resource], only: list[Scope]
) -> None:
    def passes(at: Level, scopes: list[Scope]) -> bool:
        return Roles({"x": Grant(at, tuple(scopes))}).why_not(cert("x"), method, resources) is None

    if passes(level, only):
        assert passes(level, [])
        assert all(passes(higher, only) for higher in Level if higher > level)
        assert level is not Level.NONE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "certificates:\n  - {name: a, role: boss}\n",
            'r.yaml:2:21: role is "boss", write none, viewer, operator or admin',
        ),
        ("certificates:\n  - {role: viewer}\n", 'r.yaml:2:5: certificate lacks "name", add name: alice'),
        (
            "certificates:\n  - {name: a, role: viewer}\n  - {name: a, role: admin}\n",
            'r.yaml:3:12: certificate "a" is given twice (first at line 2), choose another name',
        ),
        (
            "certificates:\n  - {name: a, rule: viewer, role: viewer}\n",
            'r.yaml:2:15: certificate "a" has the unknown key "rule", did you mean "role"?',
        ),
        (
            "tokens:\n  - name: a\n    role: viewer\n    only: [{kinds: [pool]}]\n",
            'r.yaml:4:5: token "a": a viewer changes nothing, leave it out',
        ),
        (
            "tokens:\n  - name: a\n    role: operator\n    only: []\n",
            "r.yaml:4:11: only lists nothing, leave it out, or write role: none",
        ),
        (
            "tokens:\n  - name: a\n    role: operator\n    only:\n      - {}\n",
            "r.yaml:5:9: only[0] covers everything, give kinds, names or labels",
        ),
        (
            'tokens:\n  - name: a\n    role: operator\n    only:\n      - {kinds: [], names: ["web"]}\n',
            "r.yaml:5:10: scope: kinds names nothing, leave it out",
        ),
        (
            "tokens:\n  - name: a\n    role: operator\n    only:\n      - {kinds: [pol]}\n",
            'r.yaml:5:18: kinds[0] is "pol", write vip, pool, backend, switch or site',
        ),
        (
            "tokens:\n  - name: a\n    role: operator\n    only:\n      - {labels: {team: 3}}\n",
            'r.yaml:5:25: team is 3, which YAML does not take for text, write "3" in quotes',
        ),
    ],
)
def test_errors_have_a_line(text: str, says: str) -> None:
    with pytest.raises(ConfigErrors) as errors:
        read_roles(text, "r.yaml")
    assert str(errors.value) == says


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    first, second = add_token(path, "ci"), add_token(path, "grafana")
    text = path.read_text()
    assert first not in text
    assert second not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tokens = load_tokens(path)
    assert (tokens.holder(first), tokens.holder(second)) == ("ci", "grafana")
    assert [tokens.holder(other) for other in ("", "ek_", first[:-1], first + "x", "x" * 100_000)] == [
        None
    ] * 5
    with pytest.raises(SecurityError, match="has a token 'ci' already"):
        add_token(path, "ci")
    with pytest.raises(SecurityError, match="NAME 'a b'"):
        add_token(path, "a b")
    assert path.read_text() == text


def test_the_command_prints_the_token_and_nothing_else(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["token", str(tmp_path / "tokens"), "ci"])
    assert done.exit_code == 0
    assert load_tokens(tmp_path / "tokens").holder(done.output.strip()) == "ci"


def test_errors_of_the_file_of_tokens_have_a_line(tmp_path: Path) -> None:
    good = "0" * 64
    with pytest.raises(ConfigErrors) as errors:
        read_tokens(f"# ours\nci sha256:{good}\n\nci sha256:{good}\nplain secret\n", "tokens")
    assert str(errors.value).splitlines() == [
        'tokens:4:1: token "ci" is given twice (first at line 2), remove one of them',
        "tokens:5:1: is no token's line, write NAME sha256:HASH, as evenkeel token does",
    ]
    path = tmp_path / "tokens"
    path.write_text(f"ci sha256:{good}\n")
    path.chmod(0o644)
    with pytest.raises(ConfigErrors, match=r"tokens: others can read or write it \(mode 0644\), chmod 600"):
        load_tokens(path)


def test_files_are_read_again_and_errors_leave_what_was(tmp_path: Path) -> None:
    roles, tokens, problems = tmp_path / "roles.yaml", tmp_path / "tokens", list[str]()
    roles.write_text("tokens: [{name: ci, role: viewer}]\n")
    token = add_token(tokens, "ci")
    held = access(roles, tokens, problems.append)
    peer = held.by_token(token)
    assert peer is not None
    assert held.roles().why_not(peer, "Get") is None
    assert held.roles().why_not(peer, "Drain", [WEB]) is not None
    _replace(roles, "tokens: [{name: ci, role: operator}]\n")
    assert held.roles().why_not(peer, "Drain", [WEB]) is None
    _replace(roles, "tokens: [{name: ci, role: boss}]\n")
    for _ in range(2):
        assert held.roles().why_not(peer, "Drain", [WEB]) is None
    (problem,) = problems
    assert problem.startswith(f"{roles}:1:27: role is")
    _replace(tokens, "# none\n")
    tokens.chmod(0o600)
    assert held.by_token(token) is None


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name("fresh")
    fresh.touch(0o600)
    fresh.write_text(text)
    os.replace(fresh, path)
