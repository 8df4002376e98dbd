"""One client's stream: what is due to it, in which order, and that nothing is sent without need."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.exits.xds.book import EMPTY, Book, Inputs, Maker
from controller.exits.xds.kinds import Kind, Resource
from controller.exits.xds.session import (
    ANSWERS,
    HOLD,
    LONGEST_NAME,
    MOST_NAMES,
    MOST_TAGS,
    Asked,
    DeltaSession,
    Response,
    Session,
    TooMuch,
    WorldSession,
    says,
    version_of,
)
from controller.plan.members import Health
from controller.plan.tables import Tables
from controller.spec.discovery import Discovery, Service, ServiceRoute, Target
from controller.spec.types import Intent, Pool, Site
from tests.unit.test_xds_plan import real

POOLS = {
    name: Pool(name, (real(f"s{2 * n + 1}"), real(f"s{2 * n + 2}"))) for n, name in enumerate(("a", "b", "c"))
}


def book(
    *names: str,
    down: tuple[str, ...] = (),
    maker: Maker | None = None,
    before: Book = EMPTY,
    now: float = 0.0,
    revision: int = 1,
) -> Book:
    """A service for each pool of these names."""
    services = tuple(
        Service(name, 80, (ServiceRoute(to=(Target(name),)),), listen=f"127.0.0.1:{9000 + ord(name[0])}")
        for name in names
    )
    intent = Intent(
        (Site("east"), Site("west")),
        (),
        tuple(POOLS[name] for name in names),
        (),
        discovery=Discovery("", services),
    )
    verdicts = {
        name: {each.name: Health(each.name not in down, 0.0) for each in POOLS[name].backends}
        for name in names
    }
    of = Inputs(revision, intent, Tables(), verdicts, frozenset())
    return (maker or Maker()).make(of, before, now)


def asked(kind: Kind, *names: str, **more: Any) -> Asked:
    return Asked(kind, more.pop("nonce", ""), more.pop("error", None), names=names, **more)


def answer(
    session: Session, response: Response, *names: str, error: str | None = None, of: Book = EMPTY
) -> object:
    """ACK, or NACK with an error; in state of the world with the names that are asked for."""
    return session.ask(Asked(response.kind, response.nonce, error, response.version, names), of)


def due(session: Session, of: Book, now: float = 0.0) -> Response:
    found = session.due(of, now)
    assert found is not None
    return found


def named(response: Response) -> list[str]:
    return [each.name for each in response.resources]


A, AB = book("a"), book("a", "b")


def test_a_client_gets_what_it_asks_for_once() -> None:
    session = WorldSession()
    session.ask(asked(Kind.LISTENERS, "a"), AB)
    first = due(session, AB)
    assert named(first) == ["a"]
    assert session.due(AB, 0.0) is None, "it has not answered"
    answer(session, first, "a")
    assert session.due(AB, 0.0) is None, "it has it"


def test_a_client_learns_that_there_is_no_such_service() -> None:
    session = WorldSession()
    session.ask(asked(Kind.LISTENERS, "nothing"), A)
    first = due(session, A)
    assert named(first) == []
    answer(session, first, "nothing")
    assert session.due(A, 0.0) is None


def test_changes_wait_for_the_answer_and_come_together() -> None:
    session = WorldSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a"), A)
    first = due(session, A)
    assert session.due(book("a", down=("s1",)), 0.0) is None
    latest = book("a", down=("s2",))
    answer(session, first, "a/a")
    second = due(session, latest)
    assert second.resources == (latest.rows(Kind.ENDPOINTS, "")["a/a"],)


def test_of_servers_only_those_clusters_are_sent_that_changed() -> None:
    session = WorldSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b"), AB)
    first = due(session, AB)
    assert named(first) == ["a/a", "b/b"]
    answer(session, first, "a/a", "b/b")
    second = due(session, book("a", "b", down=("s3",)))
    assert named(second) == ["b/b"]
    assert second.version != first.version


def test_what_is_asked_for_again_is_sent_again() -> None:
    session = WorldSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b"), AB)
    first = due(session, AB)
    answer(session, first, "a/a")
    assert session.due(AB, 0.0) is None
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b", nonce=first.nonce), AB)
    assert named(due(session, AB)) == ["b/b"]


def test_a_request_that_was_made_before_the_last_response_was_read_counts_for_nothing() -> None:
    session = WorldSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a"), AB)
    first = due(session, AB)
    answer(session, first, "a/a")
    second = due(session, book("a", down=("s1",)))
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b", nonce=first.nonce), AB)
    assert session.subscriptions[Kind.ENDPOINTS].names == {"a/a"}
    answer(session, second, "a/a", "b/b")
    assert session.subscriptions[Kind.ENDPOINTS].names == {"a/a", "b/b"}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_refused_is_not_sent_again_until_it_is_other(kind: Kind) -> None:
    names = ("a/a",) if kind in (Kind.CLUSTERS, Kind.ENDPOINTS) else ("a",)
    session = WorldSession()
    session.ask(asked(kind, *names), A)
    first = due(session, A)
    refusal = answer(session, first, *names, error="gap in\npriorities")
    assert refusal is not None
    assert session.subscriptions[kind].refused == (kind, first.version, "gap in\npriorities")
    assert session.due(A, 0.0) is None
    assert session.due(book("a", revision=7), 0.0) is None


def test_a_refusal_ends_with_a_response_that_is_accepted() -> None:
    session = WorldSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a"), A)
    answer(session, due(session, A), "a/a", error="no")
    second = due(session, book("a", down=("s1",)))
    answer(session, second, "a/a")
    assert session.subscriptions[Kind.ENDPOINTS].refused is None


@pytest.mark.parametrize("kind", list(Kind))
def test_a_client_that_comes_back_with_what_is_now_gets_nothing(kind: Kind) -> None:
    """Also from another controller, at another revision of the store."""
    names = ("a/a", "b/b") if kind in (Kind.CLUSTERS, Kind.ENDPOINTS) else ("a", "b")
    before, after = WorldSession(), WorldSession()
    before.ask(asked(kind, *names), AB)
    version = due(before, AB).version
    other = book("a", "b", revision=99)
    after.ask(asked(kind, *names, version=version), other)
    assert after.due(other, 0.0) is None
    fewer = WorldSession()
    fewer.ask(asked(kind, *names[:1], version=version), other)
    assert fewer.due(other, 0.0) is None, "it has more than it asks for"
    gone = WorldSession()
    gone.ask(asked(kind, *names, version=version), A)
    assert gone.due(A, 0.0) is not None, "it has what is no more"
    changed = book("a", "b", "c", down=("s1",))
    third = WorldSession()
    third.ask(asked(kind, *names[:1], version=version), changed)
    assert (third.due(changed, 0.0) is not None) is (kind is Kind.ENDPOINTS)


def test_an_envoy_that_asks_for_all_gets_all_clusters_and_the_listeners_that_it_opens() -> None:
    session, again = WorldSession(), WorldSession()
    session.ask(asked(Kind.CLUSTERS), AB)
    first = due(session, AB)
    assert named(first) == ["a/a", "b/b"]
    again.ask(asked(Kind.CLUSTERS, version=first.version), AB)
    assert again.due(AB, 0.0) is None
    fewer = WorldSession()
    fewer.ask(asked(Kind.CLUSTERS, version=first.version), A)
    assert named(due(fewer, A)) == ["a/a"]
    other = WorldSession()
    other.ask(asked(Kind.LISTENERS), AB)
    assert named(due(other, AB)) == ["a@127.0.0.1:9097", "b@127.0.0.1:9098"]


def test_who_asked_for_names_and_now_for_none_asks_for_nothing() -> None:
    session = WorldSession()
    session.ask(asked(Kind.CLUSTERS, "a/a"), AB)
    first = due(session, AB)
    answer(session, first)
    assert session.due(book("a", down=("s1",)), 0.0) is None
    assert not session.subscriptions[Kind.CLUSTERS].wildcard


def test_routes_wait_until_a_client_has_the_clusters_and_servers_that_they_name() -> None:
    session = WorldSession()
    session.ask(asked(Kind.CLUSTERS), A)
    answer(session, due(session, A))
    session.ask(asked(Kind.ENDPOINTS, "a/a"), A)
    answer(session, due(session, A), "a/a")
    session.ask(asked(Kind.ROUTES, "a", "b"), A)
    answer(session, due(session, A), "a", "b")
    clusters = due(session, AB)
    assert clusters.kind is Kind.CLUSTERS
    assert session.due(AB, 1.0) is None
    answer(session, clusters)
    assert session.due(AB, 1.0) is None, "it has not asked for the servers of b"
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b", nonce=session.subscriptions[Kind.ENDPOINTS].nonce), AB)
    servers = due(session, AB, 1.0)
    assert servers.kind is Kind.ENDPOINTS
    answer(session, servers, "a/a", "b/b")
    assert due(session, AB, 1.0).kind is Kind.ROUTES


def test_routes_do_not_wait_for_ever() -> None:
    session = WorldSession()
    session.ask(asked(Kind.CLUSTERS), AB)
    answer(session, due(session, AB))
    session.ask(asked(Kind.ENDPOINTS, "a/a"), AB)
    answer(session, due(session, AB), "a/a")
    session.ask(asked(Kind.ROUTES, "a"), AB)
    assert session.due(AB, 1.0) is None
    assert session.deadline(1.0) == 1.0 + HOLD
    assert due(session, AB, 1.0 + HOLD).kind is Kind.ROUTES
    assert session.deadline(1.0 + HOLD) == 1.0 + HOLD + ANSWERS


def test_who_does_not_answer_is_late() -> None:
    session = WorldSession()
    session.ask(asked(Kind.CLUSTERS), A)
    due(session, A, 5.0)
    assert session.deadline(5.0) == 5.0 + ANSWERS
    assert session.late(4.9 + ANSWERS) is None
    assert session.late(5.0 + ANSWERS) is Kind.CLUSTERS


@pytest.mark.parametrize("names", [[f"n{n}" for n in range(MOST_NAMES + 1)], ["x" * (LONGEST_NAME + 1)]])
@pytest.mark.parametrize("kind", [WorldSession, DeltaSession])
def test_who_asks_for_too_much_is_refused(names: list[str], kind: type[Session]) -> None:
    with pytest.raises(TooMuch):
        kind().ask(asked(Kind.ENDPOINTS, *names), A)


def test_a_version_of_many_resources_says_the_same_in_few_octets() -> None:
    many = [Resource(f"n{number}", f"{number:016x}", b"") for number in range(MOST_TAGS + 1)]
    version = version_of(many)
    assert len(version) == 16
    assert version_of(many[:-1]) != version != version_of([*many[:-1], many[-1]._replace(version="x")])
    names = [each.name for each in many]
    assert says(version, names, many)
    assert not says(version, names, many[1:])
    assert not says("of another server", names, many)


# -- increments ------------------------------------------------------------------------------------------------


def test_increments_say_what_changed_and_what_is_gone() -> None:
    session = DeltaSession()
    session.ask(asked(Kind.CLUSTERS), AB)
    first = due(session, AB)
    assert named(first) == ["a/a", "b/b"]
    answer(session, first)
    second = due(session, A)
    assert (named(second), second.removed) == ([], ("b/b",))
    answer(session, second)
    assert session.due(A, 0.0) is None


def test_increments_say_once_that_there_is_no_such_thing_and_then_that_there_is() -> None:
    session = DeltaSession()
    session.ask(asked(Kind.LISTENERS, "b"), A)
    first = due(session, A)
    assert (named(first), first.removed) == ([], ("b",))
    answer(session, first)
    assert session.due(A, 0.0) is None
    assert named(due(session, AB)) == ["b"]


def test_who_comes_back_for_increments_gets_what_differs_from_what_it_has() -> None:
    session = DeltaSession()
    rows = AB.rows(Kind.ENDPOINTS, "")
    had = {"a/a": rows["a/a"].version, "b/b": "older", "gone": "x"}
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b", "gone", had=had), AB)
    first = due(session, AB)
    assert (named(first), first.removed) == (["b/b"], ("gone",))


def test_who_comes_back_with_everything_gets_nothing() -> None:
    session = DeltaSession()
    had = {each.name: each.version for each in AB.rows(Kind.CLUSTERS, "").values()}
    session.ask(asked(Kind.CLUSTERS, had=had), AB)
    assert session.due(AB, 0.0) is None


def test_increments_of_everything_begin_and_end_by_an_asterisk() -> None:
    session = DeltaSession()
    session.ask(asked(Kind.CLUSTERS, "a/a"), AB)
    answer(session, due(session, AB))
    session.ask(asked(Kind.CLUSTERS, "*"), AB)
    everything = due(session, AB)
    assert named(everything) == ["b/b"]
    answer(session, everything)
    session.ask(asked(Kind.CLUSTERS, without=("*",)), AB)
    assert due(session, A).removed == ("b/b",)


def test_increments_end_and_begin_again_by_name() -> None:
    session = DeltaSession()
    session.ask(asked(Kind.ENDPOINTS, "a/a", "b/b"), AB)
    answer(session, due(session, AB))
    session.ask(asked(Kind.ENDPOINTS, without=("b/b",)), AB)
    assert session.due(book("a", "b", down=("s3",)), 0.0) is None
    session.ask(asked(Kind.ENDPOINTS, "b/b"), AB)
    assert named(due(session, AB)) == ["b/b"]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abc"), min_size=1), st.sets(st.sampled_from(("s1", "s2")))),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
    st.booleans(),
)
def test_whatever_changes_a_client_ends_with_what_is_now(
    changes: list[tuple[set[str], set[str]]], delta: bool, refuses: bool
) -> None:
    """It keeps what responses say as its protocol has it, and refuses all but the last ones, or none."""
    session: Session = DeltaSession() if delta else WorldSession()
    has: dict[str, str] = {}
    session.ask(asked(Kind.CLUSTERS), EMPTY)
    of = EMPTY
    for index, (names, down) in enumerate(changes):
        of = book(*sorted(names), down=tuple(down))
        for _ in range(10):
            response = session.due(of, 0.0)
            if response is None:
                break
            last = index == len(changes) - 1
            if not refuses or last:
                has = (
                    {} if not delta else {name: v for name, v in has.items() if name not in response.removed}
                )
                has |= {each.name: each.version for each in response.resources}
            answer(session, response, error=None if not refuses or last else "no", of=of)
        else:
            raise AssertionError("it is sent things in a loop")
    expected = {each.name: each.version for each in of.rows(Kind.CLUSTERS, "").values()}
    if not refuses:
        assert has == expected
    else:
        assert has.items() <= expected.items()
