"""The rule that makes one verdict of those of several places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.places import Vote, decided, reasons
from controller.spec.health import PlaceRule

VOTES = st.lists(st.builds(Vote, st.booleans(), st.booleans()), max_size=9)
RULES = st.sampled_from(list(PlaceRule))
ANY, MAJORITY, LOCAL = PlaceRule.ANY, PlaceRule.MAJORITY, PlaceRule.SITE_LOCAL


def votes(text: str) -> list[Vote]:
    """``U``, ``D``: up and down, of the server's own site; ``u``, ``d``: of others."""
    return [Vote(each in "Uu", each.isupper()) for each in text]


@pytest.mark.parametrize(
    ("text", "any_", "majority", "local"),
    [
        ("", None, None, None),
        ("D", False, False, False),
        ("u", True, True, True),
        ("uddd", True, False, False),
        ("UUdd", True, None, True),
        ("Uddd", True, False, True),
        ("DDuu", True, None, False),
        ("UDuu", True, True, None),
        ("UDdd", True, False, None),
        ("dddd", False, False, False),
    ],
)
def test_votes_give_this(text: str, any_: bool | None, majority: bool | None, local: bool | None) -> None:
    assert [decided(rule, votes(text)) for rule in (ANY, MAJORITY, LOCAL)] == [any_, majority, local]


@given(RULES, VOTES)
def test_places_that_agree_are_believed(rule: PlaceRule, given_: list[Vote]) -> None:
    for up in (True, False):
        alike = [vote._replace(up=up) for vote in given_]
        assert decided(rule, alike) is (up if alike else None)


@given(RULES, VOTES, st.randoms())
def test_the_order_of_places_means_nothing(rule: PlaceRule, given_: list[Vote], random: object) -> None:
    other = list(given_)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert decided(rule, given_) is decided(rule, other)


@given(RULES, VOTES, st.data())
def test_a_place_that_comes_to_see_it_up_never_takes_it_out(
    rule: PlaceRule, given_: list[Vote], data: st.DataObject
) -> None:
    rank = {False: 0, None: 1, True: 2}
    if given_:
        which = data.draw(st.integers(0, len(given_) - 1))
        other = [vote._replace(up=True) if n == which else vote for n, vote in enumerate(given_)]
        assert rank[decided(rule, other)] >= rank[decided(rule, given_)]


@given(VOTES)
def test_any_takes_out_only_what_no_place_sees_up(given_: list[Vote]) -> None:
    assert (decided(ANY, given_) is False) == (bool(given_) and not any(vote.up for vote in given_))


@given(VOTES)
def test_majority_needs_more_than_half_either_way(given_: list[Vote]) -> None:
    found, up = decided(MAJORITY, given_), sum(vote.up for vote in given_)
    assert (found is True) == (2 * up > len(given_))
    assert (found is False) == (2 * up < len(given_))


@given(VOTES)
def test_other_sites_mean_nothing_while_the_servers_own_is_heard(given_: list[Vote]) -> None:
    near = [vote for vote in given_ if vote.near]
    assert decided(LOCAL, given_) is decided(MAJORITY, near or given_)


def test_reasons_name_the_places_that_give_them() -> None:
    shown = reasons({"west": "timeout", "east2": "connect refused", "east1": "connect refused", "x": ""})
    assert shown == "connect refused (east1, east2); timeout (west); failed (x)"
