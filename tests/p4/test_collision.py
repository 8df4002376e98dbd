"""Promise 3: what happens to two connections that memory takes for one, and how seldom that is."""

from __future__ import annotations

from ipaddress import IPv6Address

import numpy as np
import pytest

from controller.spec.types import Mode
from p4src.hashes import place, slot, words
from p4src.ids import Drop
from tests.conformance.packets import ACK, PSH, SYN
from tests.p4.box import Box
from tests.p4.collisions import collide, false_hits, kernel_of, places, random_words
from tests.p4.embedded import EmbeddedBox
from tests.p4.keeper import Keeper
from tests.p4.scene import SECRET, Scene, Service
from tests.p4.traffic import Crowd, Talk, backend_of, client_address

FIRST = IPv6Address("2001:db8::1234")
MASK = 0xFF


def _twins(service: Service) -> tuple[Talk, Talk]:
    """Two connections with one digest and one cell in the first way, whose slots name different backends."""
    table = Scene((service,)).table.now
    mine = table[slot(FIRST, 40_000, len(table))]
    for other in collide(FIRST, 40_000, (service.id, service.id), SECRET, way=0):
        if table[slot(other, 40_000, len(table))] != mine:
            return Talk(service, FIRST, 40_000), Talk(service, other, 40_000)
    raise AssertionError("no collision in this /64")


def test_twins_have_the_same_digest_and_cell() -> None:
    one, other = _twins(Service(1, version=6))
    found = [place(words(talk.client, talk.port, 1, SECRET)) for talk in (one, other)]
    assert one.client != other.client
    assert found[0].digest == found[1].digest
    assert found[0].ways[0] == found[1].ways[0]


def test_a_false_hit_shares_the_remembered_backend_of_the_same_pool(box: Box) -> None:
    """Not fullnat: the later connection goes, from its first packet to its last, where the earlier one is."""
    service = Service(1, version=6)
    keeper = Keeper([box], Scene((service,), cells_mask=MASK))
    one, other = _twins(service)
    crowd = Crowd(box, two_way=False)
    crowd.open([one])
    crowd.open([other])
    assert other.backend == one.backend
    keeper.change(keeper.scene.changing(n for n in (1, 2, 3, 4, 5) if n != one.backend))
    crowd.exchange()
    keeper.step()
    crowd.exchange()
    keeper.change(keeper.scene.settled())
    crowd.exchange()
    assert crowd.unharmed


def test_a_false_hit_across_listeners_never_reaches_the_other_listeners_pool(box: Box) -> None:
    """The listener is hashed too, so this takes a collision of its own; each is served by its own pool all the same."""
    mine, foreign = Service(1, version=6), Service(2, version=6, pool=8)
    Keeper([box], Scene((mine, foreign), cells_mask=MASK, others={8: (11, 12, 13)}))
    crowd = Crowd(box, two_way=False)
    crowd.open([Talk(mine, FIRST, 40_000)])
    client = next(collide(FIRST, 40_000, (1, 2), SECRET, way=0))
    twin = Talk(foreign, client, 40_000)
    for _ in range(2):
        found = {backend_of(frame) for frame in box.send([twin.frame(SYN), twin.frame()])}
        assert len(found) == 1
        assert found <= {11, 12, 13}
        crowd.exchange()
        assert crowd.unharmed


def test_with_fullnat_a_false_hit_is_dropped_and_counted_and_mixes_nobody_up(box: Box) -> None:
    service = Service(1, Mode.FULLNAT, 6)
    Keeper([box], Scene((service,), cells_mask=MASK))
    one, other = _twins(service)
    crowd = Crowd(box)
    crowd.open([one])
    out = box.send([other.frame(SYN), other.frame(ACK | PSH)])
    assert [backend_of(frame) for frame in out] == []
    assert box.drops()[Drop.MEMORY] == 2
    crowd.exchange()
    assert crowd.unharmed


def test_the_cell_of_a_connection_is_where_python_says(embedded: EmbeddedBox) -> None:
    services = tuple(
        Service(n, mode, version)
        for n, (mode, version) in enumerate(((m, v) for m in Mode for v in (4, 6)), 1)
    )
    scene = Scene(services)
    Keeper([embedded], scene)
    for service in services:
        for number in range(20):
            talk = Talk(service, client_address(77 * number, service.version), 5000 + 731 * number)
            embedded.send([talk.frame(SYN)])
            keyed = words(talk.client, talk.port, service.id, SECRET)
            where = place(keyed, fullnat=service.mode is Mode.FULLNAT)
            cell = embedded.register("cells0")[where.ways[0]]
            assert cell >> 64 == where.digest
            assert cell >> 48 & 0xFFFF == scene.table.now[slot(talk.client, talk.port, 256)]


def test_many_places_at_once_are_those_of_one_at_a_time() -> None:
    keyed = random_words(np.random.default_rng(3), 50, SECRET, 6, 0)
    ways, digests = places(keyed)
    for n in range(50):
        one = place(tuple(int(word) for word in keyed[:, n]))
        assert (tuple(ways[:, n].tolist()), int(digests[n])) == tuple(one)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("version", [4, 6])
def test_random_connections_hit_falsely_no_more_often_than_the_digests_bound(bits: int, version: int) -> None:
    """Measured where hits are frequent enough to count; the real digest has 32 bits."""
    found = false_hits(100_000, 1_000_000, bits, SECRET, version)
    expected = found.bound * found.tried
    assert expected > 20
    assert found.hits < expected + 6 * expected**0.5


@pytest.mark.parametrize("version", [4, 6])
def test_the_whole_digest_tells_millions_of_connections_apart(version: int) -> None:
    """The bound expects one false hit in a billion: a single one here shows that digest and cell go together."""
    assert false_hits(200_000, 2_000_000, 32, SECRET, version).hits == 0


def test_two_ipv4_connections_of_a_listener_never_collide_in_a_memory_of_full_size() -> None:
    """Client and port are 48 bits, and so are cell and digest: no two are mapped to the same."""
    nothing = place((0, 0, 0, 0, 0))
    varied = [(1 << bit, 0, 0, 0, 0) for bit in range(32)] + [(0, 0, 0, 0, 1 << bit) for bit in range(16, 32)]
    for way in range(4):
        images = [
            (found.digest ^ nothing.digest) << 16 | (found.ways[way] ^ nothing.ways[way])
            for found in map(place, varied)
        ]
        assert kernel_of(images) == []
