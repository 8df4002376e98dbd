"""Access lists in a lab: a block cuts what its source has and counts it, and leaves all others alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.services import ECHO, Service, connect, echo, host_address
from topo import model

pytestmark = pytest.mark.lab

SERVICE = Service("dr", 4)


@pytest.fixture(scope="module", params=["ovs", pytest.param("embedded", marks=pytest.mark.long)])
def served(make_lab: MakeLab, request: pytest.FixtureRequest) -> Iterator[Balanced]:
    with Balanced(make_lab(model.load("pair").of_kind(request.param))) as balanced:
        yield balanced


def give(balanced: Balanced, access: dict[str, list[str]] | None) -> None:
    """Give the VIP a list, or none."""

    def change(document: Any) -> None:
        (vip,) = (one for one in document["vips"] if one["address"] == SERVICE.address)
        vip.pop("access", None)
        if access is not None:
            vip["access"] = access

    balanced.edit_intent(change)
    balanced.settle()


def line_of(one: socket.socket) -> bytes:
    """The next line that comes. TimeoutError if there is none."""
    read = b""
    while not read.endswith(b"\n"):
        read += one.recv(65536)
    return read


def silent(one: socket.socket) -> bool:
    """Whether a line that is sent is not answered; it is sent again later, by TCP."""
    one.sendall(b"blocked\n")
    one.settimeout(1.0)
    try:
        line_of(one)
    except TimeoutError:
        return True
    finally:
        one.settimeout(15.0)
    return False


def test_a_block_cuts_and_counts_its_source_and_no_other_and_a_lifted_one_lets_it_go_on(
    served: Balanced,
) -> None:
    lab = served.lab
    client = f"{host_address(lab, 'c2', 4)}/32"
    (name,) = (
        n for n in served.status()["listeners"] if n.startswith("shop/tcp/") and n.endswith(f"/{ECHO}")
    )
    with ExitStack() as stack:
        free, cut = (stack.enter_context(connect(lab, host, SERVICE, ECHO)) for host in ("c1", "c2"))
        server, other = echo(free, b"before"), echo(cut, b"before")
        give(served, {"block": [client]})
        assert silent(cut)
        assert echo(free, b"during") == server
        with lab.socket("c2", SERVICE.family) as new:
            new.settimeout(0.5)
            with pytest.raises(TimeoutError):
                new.connect((SERVICE.address, ECHO))
        denied = served.wait_status(
            lambda status: status["denied"].get(name), "what is dropped is counted", 30
        )
        assert denied["denied"].keys() == {each for each in denied["listeners"] if each.startswith("shop/")}
        # All others are blocked now, and the one is allowed.
        give(served, {"block": ["0.0.0.0/0"], "allow": [client]})
        assert line_of(cut) == f"{other} blocked\n".encode()
        assert silent(free)
        give(served, None)
        assert line_of(free) == f"{server} blocked\n".encode()
        assert served.status()["denied"] == {}
