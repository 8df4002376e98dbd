"""The demo's ledger: what each kind of loss looks like in the logs, and that none goes unnoticed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from topo.demo.ledger import Endpoint, Judgement, Verdict, judge_all
from topo.demo.records import ClientLog, Connection, Echo, Failure, Served, read_served, whole_lines

ENDPOINTS = (
    Endpoint("shop/tcp/7000", "dr", "10.0.0.100", 7000, 7000),
    Endpoint("api/tcp/7000", "nat", "10.0.0.101", 7000, 7000),
    Endpoint("far/tcp/7000", "tun", "10.0.0.102", 7000, 7000),
)
PEER = ("10.0.0.11", 40001)


def connection(**changes: object) -> Connection:
    good = Connection(
        "c1-1",
        "c1",
        "shop/tcp/7000",
        "active",
        begin=10.0,
        opened=10.01,
        local=PEER,
        echoes=[Echo(10.01, 0.01, "s1"), Echo(60.0, 0.01, "s1")],
        proof=Echo(100.0, 0.01, "s1"),
        closed=100.02,
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def served(server: str = "s1", **changes: object) -> Served:
    good = Served(server, PEER, ("10.0.0.100", 7000), 10.005, 100.03, "eof")
    return replace(good, **changes)  # type: ignore[arg-type]


def judge(one: Connection, *records: Served, deaths: dict[str, float] | None = None) -> Judgement:
    return judge_all([one], records or (served(),), ENDPOINTS, deaths or {})[0]


def test_a_connection_proven_by_the_server_that_accepted_it_is_ok() -> None:
    judgement = judge(connection())
    assert (judgement.verdict, judgement.server, judgement.cause) == (Verdict.OK, "s1", "")


@pytest.mark.parametrize("kind", ["reset", "eof", "timeout", "garbled", "unreachable"])
@pytest.mark.parametrize("during", ["echo", "silence", "proof"])
def test_any_failure_while_the_server_lives_is_broken(kind: str, during: str) -> None:
    judgement = judge(connection(proof=None, closed=None, failure=Failure(70.0, kind, during)))
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.cause == f"{kind} during {during}"
    assert judgement.at == 70.0


def test_a_failure_after_its_server_was_killed_is_the_servers() -> None:
    failed = connection(proof=None, closed=None, failure=Failure(70.0, "reset", "silence"))
    assert judge(failed, deaths={"s1": 69.999}).verdict is Verdict.SERVER_DIED


def test_a_failure_before_its_server_was_killed_is_broken() -> None:
    failed = connection(proof=None, closed=None, failure=Failure(70.0, "reset", "silence"))
    assert judge(failed, deaths={"s1": 72.0}).verdict is Verdict.BROKEN


def test_the_death_of_another_server_excuses_nothing() -> None:
    failed = connection(proof=None, closed=None, failure=Failure(70.0, "reset", "silence"))
    assert judge(failed, deaths={"s2": 60.0}).verdict is Verdict.BROKEN


def test_the_servers_log_and_not_the_first_answer_says_whose_connection_it_was() -> None:
    failed = connection(proof=None, closed=None, echoes=[], failure=Failure(70.0, "timeout", "echo"))
    judgement = judge(failed, served("s2"), deaths={"s2": 60.0})
    assert (judgement.verdict, judgement.server) == (Verdict.SERVER_DIED, "s2")


def test_an_answer_from_another_server_is_broken_although_every_echo_came_back() -> None:
    judgement = judge(connection(proof=Echo(100.0, 0.01, "s2")))
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.cause == "misdirected: accepted by s1, answered by s2"


def test_a_misdirected_connection_is_broken_even_if_its_server_was_killed() -> None:
    failed = connection(proof=None, closed=None, failure=Failure(70.0, "misdirected", "echo"))
    assert judge(failed, deaths={"s1": 60.0}).verdict is Verdict.BROKEN


def test_a_proof_that_no_server_knows_of_proves_nothing() -> None:
    judgement = judge(connection(), served(peer=("10.0.0.11", 40002)))
    assert (judgement.verdict, judgement.cause) == (Verdict.BROKEN, "no server logged it")


def test_a_connection_its_server_had_closed_before_the_proof_is_broken() -> None:
    judgement = judge(connection(), served(closed=80.0, reason="reset"))
    assert judgement.verdict is Verdict.BROKEN
    assert judgement.cause == "s1 had closed it (reset) before the client's proof"


def test_a_connection_without_proof_or_failure_is_unproven_not_ok() -> None:
    assert judge(connection(proof=None, closed=None)).verdict is Verdict.UNPROVEN


def test_a_client_that_leaves_early_proves_nothing() -> None:
    assert judge(connection(proof=None)).verdict is Verdict.CLIENT_CLOSED


def test_a_connection_never_established_is_not_broken_but_not_opened() -> None:
    never = connection(
        opened=None,
        local=None,
        echoes=[],
        proof=None,
        closed=None,
        failure=Failure(15.0, "timeout", "connect"),
    )
    assert judge(never).verdict is Verdict.NOT_OPENED


def test_one_client_port_to_two_listeners_is_two_connections() -> None:
    """nat shows the server its own address, dr and tun the VIP: that tells the records apart."""
    dr = served("s1")
    nat = served("s2", local=("10.1.0.12", 7000))
    tun = served("s3", local=("10.0.0.102", 7000))
    names = []
    for listener, server in (("shop/tcp/7000", "s1"), ("api/tcp/7000", "s2"), ("far/tcp/7000", "s3")):
        one = connection(listener=listener, echoes=[Echo(10.1, 0.1, server)], proof=Echo(100.0, 0.01, server))
        judgement = judge(one, dr, nat, tun)
        assert judgement.verdict is Verdict.OK
        names.append(judgement.server)
    assert names == ["s1", "s2", "s3"]


def test_an_earlier_connection_from_the_same_port_is_not_mistaken_for_this_one() -> None:
    earlier = served("s2", opened=3.0, closed=4.0)
    assert judge(connection(), earlier, served("s1")).server == "s1"


def test_a_client_log_is_read_back_as_it_was_written() -> None:
    log = ClientLog("c1", {"c1-1": Connection("c1-1", "c1", "shop/tcp/7000", "silent")})
    for record in (
        {"e": "start", "t": 1.0, "client": "c1", "connections": 1},
        {"e": "open", "id": "c1-1", "t": 2.0, "begin": 1.9, "local": ["10.0.0.11", 40001]},
        {"e": "echo", "id": "c1-1", "t": 2.0, "rtt": 0.5, "server": "s1"},
        {
            "e": "get",
            "t": 3.0,
            "connect": None,
            "total": 2.0,
            "listener": "x",
            "port": 0,
            "server": "",
            "result": "timeout",
        },
        {"e": "lag", "t": 4.0, "seconds": 0.25},
        {"e": "proof", "id": "c1-1", "t": 50.0, "rtt": 0.5, "server": "s1"},
        {"e": "close", "id": "c1-1", "t": 51.0},
        {"e": "end", "t": 52.0},
    ):
        log.feed(json.dumps(record) + "\n")
    one = log.connections["c1-1"]
    assert (one.local, one.server, one.closed, log.lag, log.ended) == (PEER, "s1", 51.0, 0.25, 52.0)
    assert one.longest_silence() == pytest.approx(47.5)
    assert (log.requests[0].result, log.requests[0].connect) == ("timeout", None)


def test_an_unknown_event_in_a_client_log_is_refused() -> None:
    log = ClientLog("c1", {"c1-1": Connection("c1-1", "c1", "shop/tcp/7000", "silent")})
    with pytest.raises(ValueError, match="log of c1: unknown event 'opne'"):
        log.feed('{"e": "opne", "id": "c1-1", "t": 1}')


def test_half_a_line_of_a_killed_server_is_left_out() -> None:
    assert list(whole_lines('{"a": 1}\n\n{"b": ')) == ['{"a": 1}\n']


def test_a_killed_servers_connections_have_no_close() -> None:
    lines = [
        '{"event": "open", "peer": ["10.0.0.11", 40001], "local": ["10.0.0.100", 7000], "mono": 1.0}\n',
        '{"event": "open", "peer": ["10.0.0.11", 40002], "local": ["10.0.0.100", 7000], "mono": 2.0}\n',
        '{"event": "close", "peer": ["10.0.0.11", 40002], "local": ["10.0.0.100", 7000], "mono": 3.0,'
        ' "reason": "reset"}\n',
    ]
    first, second = read_served("s1", lines)
    assert (first.opened, first.closed) == (1.0, None)
    assert (second.opened, second.closed, second.reason) == (2.0, 3.0, "reset")
