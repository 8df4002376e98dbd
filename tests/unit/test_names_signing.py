"""Signed zones: every answer is proved, by dnspython's validator; keys are files that only their owner reads."""

from __future__ import annotations

import stat
from pathlib import Path

import dns.dnssec
import dns.message
import dns.name
import dns.node
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import pytest

from controller.exits.names.serve import signing
from controller.exits.names.serve.keys import KeyProblem, ZoneKey, keys_of, new_key, remove_key
from controller.exits.names.serve.responder import Responder
from controller.exits.names.serve.signing import Signatures, Signer, by_zone
from controller.exits.names.serve.tree import bitmap, grow
from tests.unit.zones import ORIGIN, WALL, Steered, ask, content, question, responder, shown, tables, www

ZONE = dns.name.from_text(ORIGIN)
Keys = dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset]


def signed(folder: Path, count: int = 1) -> Responder:
    """A server of the zone, with so many keys."""
    for _ in range(count):
        new_key(folder, ORIGIN)
    return responder(tables(content(signed=True), keys_of(folder)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Responder:
    return signed(tmp_path_factory.mktemp("keys"))


def published(server: Responder) -> dns.rrset.RRset:
    """What the zone says of its own keys."""
    answer = ask(server, question("", "DNSKEY", want_dnssec=True)).answer
    return next(each for each in answer if each.rdtype == dns.rdatatype.DNSKEY)


def proved(
    server: Responder, sections: list[list[dns.rrset.RRset]], unsigned: frozenset[str] = frozenset()
) -> int:
    """How many sets have a signature that holds; raises for one that does not. ``unsigned``: TYPE of those without."""
    known: Keys = {ZONE: published(server)}
    count = 0
    for section in sections:
        signatures = {
            (each.name, each.covers): each for each in section if each.rdtype == dns.rdatatype.RRSIG
        }
        for records in section:
            kind = dns.rdatatype.to_text(records.rdtype)
            if kind == "RRSIG" or kind in unsigned:
                continue
            found = signatures[records.name, records.rdtype]
            dns.dnssec.validate(records, found, known, now=WALL)
            count += 1
    return count


@pytest.mark.parametrize(
    ("name", "kind", "sets"),
    [
        ("text", "TXT", 1), ("", "SOA", 1), ("", "DNSKEY", 1), ("", "MX", 1), ("www", "A", 1), ("alias", "A", 2),
        ("p.q.wild", "TXT", 2), ("www", "AAAA", 2), ("deep", "A", 2), ("none", "A", 3), ("x.y.none", "A", 3),
        ("p.wild", "A", 2), ("safe", "DS", 1), ("sub", "DS", 2), ("gone", "A", 4), ("", "NSEC", 1), ("www", "ANY", 1),
        ("zzz", "A", 3),
    ],
)  # fmt: skip
def test_every_set_is_proved(server: Responder, name: str, kind: str, sets: int) -> None:
    found = ask(server, question(name, kind, want_dnssec=True), tcp=True)
    assert proved(server, [found.answer, found.authority]) == sets


def test_who_wants_no_proofs_gets_none(server: Responder) -> None:
    for name in ("text", "none", "www"):
        found = ask(server, question(name, use_edns=0))
        assert not [each for each in (*found.answer, *found.authority) if each.rdtype in (46, 47)]


def _covers(nsec: dns.rrset.RRset, name: dns.name.Name) -> bool:
    after = nsec[0].next
    return bool(nsec.name < name and (name < after or after == ZONE))


@pytest.mark.parametrize("name", ["none", "x.y.none", "zzz", "0", "a.text", "b.a.b.deep"])
def test_a_name_that_is_not_there_lies_between_two_that_are_and_so_does_the_wildcard(
    server: Responder, name: str
) -> None:
    found = ask(server, question(name, want_dnssec=True))
    proofs = [each for each in found.authority if each.rdtype == dns.rdatatype.NSEC]
    full = dns.name.from_text(name, ZONE)
    assert any(_covers(each, full) for each in proofs)
    above = next(dns.name.from_text(f"*.{each}", ZONE) if each else dns.name.from_text("*", ZONE)
                 for each in _closest(name))  # fmt: skip
    assert any(_covers(each, above) for each in proofs)


def _closest(name: str) -> list[str]:
    """The closest names that are there, the longest first."""
    there = {"text", "a.b.deep", "b.deep", "deep", ""}
    parts = name.split(".")
    return [rest for at in range(1, len(parts) + 1) if (rest := ".".join(parts[at:])) in there]


def test_a_type_that_is_not_there_is_not_in_the_proof(server: Responder) -> None:
    found = ask(server, question("www", "AAAA", want_dnssec=True))
    (proof,) = (each for each in found.authority if each.rdtype == dns.rdatatype.NSEC)
    assert proof.name == dns.name.from_text("www", ZONE)
    assert proof[0].to_text().split()[1:] == ["A", "RRSIG", "NSEC"]


def test_a_balanced_name_without_addresses_now_is_proved_to_have_none(tmp_path: Path) -> None:
    choice = Steered((www("198.51.100.1"), www()))
    server = responder(tables(content(signed=True, www_A=choice), (new_key(tmp_path, ORIGIN),)))
    choice.which = lambda _: 1
    found = ask(server, question("www", want_dnssec=True))
    assert proved(server, [found.authority]) == 2
    (proof,) = (each for each in found.authority if each.rdtype == dns.rdatatype.NSEC)
    assert proof[0].to_text().split()[1:] == ["RRSIG", "NSEC"]
    choice.which = lambda _: 0
    assert proved(server, [ask(server, question("www", want_dnssec=True)).answer]) == 1


def test_a_delegation_is_proved_to_be_signed_or_not(server: Responder) -> None:
    safe = ask(server, question("x.safe", want_dnssec=True))
    assert proved(server, [safe.authority], frozenset({"NS"})) == 1
    unsafe = ask(server, question("x.sub", want_dnssec=True))
    assert proved(server, [unsafe.authority], frozenset({"NS"})) == 1
    (proof,) = (each for each in unsafe.authority if each.rdtype == dns.rdatatype.NSEC)
    assert proof[0].to_text().split()[1:] == ["NS", "RRSIG", "NSEC"]
    assert not [each for each in unsafe.additional if each.rdtype == dns.rdatatype.RRSIG]


def test_following_the_proofs_visits_each_name_with_authority_once(server: Responder) -> None:
    (zone,) = server.tables.zones.values()
    at, seen = ZONE, []
    while True:
        seen.append(at)
        octets = at.to_wire()
        assert octets is not None
        proof = zone.nsec(octets)
        assert proof.owner == octets
        at = dns.name.from_wire(proof.values[0].before, 0)[0]
        if at == ZONE:
            break
    assert seen == sorted(seen)
    texts = {each.relativize(ZONE).to_text() for each in seen}
    assert {"www", "sub", "safe", "*.wild", "a.b.deep"} <= texts
    assert not {"ns.sub", "deep", "b.deep"} & texts


def test_with_two_keys_all_is_signed_twice_and_each_one_alone_proves_it(tmp_path: Path) -> None:
    server = signed(tmp_path, 2)
    both = list(published(server))
    assert len(both) == 2
    answer = ask(server, question("text", "TXT", want_dnssec=True), tcp=True).answer
    records, signatures = answer[0], answer[1]
    assert len(signatures) == 2
    for each in both:
        alone = dns.rrset.from_rdata(ZONE, 300, each)
        known: Keys = {ZONE: alone}
        dns.dnssec.validate(records, signatures, known, now=WALL)


def test_the_ds_is_the_one_that_dnspython_makes_of_the_key(tmp_path: Path) -> None:
    key = new_key(tmp_path, ORIGIN)
    (of_zone,) = published(responder(tables(content(signed=True), (key,))))
    assert dns.dnssec.key_id(of_zone) == key.tag
    ds = dns.dnssec.make_ds(ZONE, of_zone, "SHA256")
    assert key.ds == f"{ORIGIN} IN DS {ds.to_text().upper()}"
    assert key.dnskey.split()[3:] == [
        *of_zone.to_text().split()[:3],
        "".join(of_zone.to_text().split()[3:]),
    ]


def _grown(signatures: Signatures, key: ZoneKey, now: int, revision: int = 1) -> None:
    signatures.turn()
    signers = {origin: Signer(origin, each, signatures, now) for origin, each in by_zone((key,)).items()}
    for _ in grow(content(signed=True, revision=revision), signers):
        pass


def test_a_signature_is_made_once_and_again_before_it_ends(tmp_path: Path) -> None:
    key, signatures = new_key(tmp_path, ORIGIN), Signatures()
    _grown(signatures, key, WALL)
    first = signatures.count
    assert first > 20
    _grown(signatures, key, WALL + 60)
    assert signatures.count == first
    _grown(signatures, key, WALL + 60, revision=2)
    assert signatures.count == first + 1, "the SOA alone is new"
    _grown(signatures, key, WALL + signing.VALID - signing.LEFT + 61, revision=2)
    assert signatures.count >= 2 * first, "all are made again while half of their time is left"


@pytest.mark.parametrize("step", [-30 * signing.DAY, 400 * signing.DAY])
def test_a_clock_that_steps_makes_signatures_that_hold_then(tmp_path: Path, step: int) -> None:
    key, signatures = new_key(tmp_path, ORIGIN), Signatures()
    _grown(signatures, key, WALL)
    first = signatures.count
    _grown(signatures, key, WALL + step)
    assert signatures.count == 2 * first


def test_signatures_that_are_not_used_any_more_are_forgotten(tmp_path: Path) -> None:
    key, signatures = new_key(tmp_path, ORIGIN), Signatures()
    for revision in range(1, 30):
        _grown(signatures, key, WALL, revision)
    assert len(signatures._made) + len(signatures._used) < 120


def test_types_are_written_as_dnspython_reads_them() -> None:
    types = {1, 6, 46, 47, 65, 257, 4711}
    read = dns.rdata.from_wire(
        dns.rdataclass.IN, dns.rdatatype.NSEC, b"\0" + bitmap(types), 0, 1 + len(bitmap(types))
    )
    assert read.to_text() == ". A SOA RRSIG NSEC HTTPS CAA TYPE4711"


def test_a_signed_zone_without_a_key_is_served_unsigned_and_that_is_said() -> None:
    built = tables(content(signed=True))
    assert "has no key" in built.problems[0]
    found = ask(responder(built), question("text", "TXT", want_dnssec=True))
    assert len(found.answer) == 1


def test_a_key_is_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys", "Example.NET")
    file = tmp_path / "keys" / f"example.net+013+{key.tag:05}.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    (read,) = keys_of(tmp_path / "keys", "example.net.")
    assert read.rdata == key.rdata
    file.chmod(0o640)
    with pytest.raises(KeyProblem, match="chmod 600"):
        keys_of(tmp_path / "keys")


def test_keys_that_make_no_sense_are_refused_with_what_would_help(tmp_path: Path) -> None:
    key = new_key(tmp_path, ORIGIN)
    file = tmp_path / key.file
    (tmp_path / "notes.txt").write_text("not a key")
    other = tmp_path / f"example.net+013+{(key.tag + 1) % 65536:05}.pem"
    other.write_bytes(file.read_bytes())
    other.chmod(0o600)
    with pytest.raises(KeyProblem, match=f"call it {key.file.replace('+', '[+]')}"):
        keys_of(tmp_path)
    other.write_text("no key")
    with pytest.raises(KeyProblem, match="no private key that can be read"):
        keys_of(tmp_path)
    other.unlink()
    with pytest.raises(KeyProblem, match=f"there are {key.tag}"):
        remove_key(tmp_path, ORIGIN, (key.tag + 1) % 65536)
    assert remove_key(tmp_path, ORIGIN, key.tag).tag == key.tag
    assert keys_of(tmp_path) == ()
    with pytest.raises(KeyProblem, match="write a zone"):
        new_key(tmp_path, "../../etc")


def test_a_zone_has_few_keys_at_a_time(tmp_path: Path) -> None:
    for _ in range(4):
        new_key(tmp_path, ORIGIN)
    with pytest.raises(KeyProblem, match="has 4 keys"):
        new_key(tmp_path, ORIGIN)
    assert len({each.tag for each in keys_of(tmp_path)}) == 4


def test_answers_of_a_signed_zone_are_the_same_records_as_without(server: Responder) -> None:
    plain = responder(tables(content()))
    for name, kind in (("text", "TXT"), ("alias", "A"), ("none", "A"), ("x.sub", "A")):
        bare, proven = question(name, kind), question(name, kind, want_dnssec=True)
        assert shown(ask(plain, bare).answer) == shown(ask(server, proven).answer)
