"""What the HTTP reader promises: right answers on any cut of the stream, a reason for anything malformed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.http1 import MAX_BODY, MAX_HEAD, BadResponse, ResponseReader, request, status_text
from controller.health.targets import Probe
from controller.spec.health import ProbeKind

HEAD = b"HTTP/1.1 200 OK\r\n"
RESPONSES = [
    (HEAD + b"Content-Length: 5\r\n\r\nhello", 200, b"hello"),
    (HEAD + b"content-length:5 , 5\r\n\r\nhello", 200, b"hello"),
    (HEAD + b"Content-Length: 0\r\n\r\n", 200, b""),
    (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 200, b"hello"),
    (b"HTTP/1.1 200 OK\nX: y\r\nTransfer-Encoding: chunked\n\r\n3\nhel\n2\r\nlo\n0\n\n", 200, b"hello"),
    (b"HTTP/1.0 200\n\nuntil\n\nclose", 200, b"until\n\nclose"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, b"hello"),
    (
        HEAD + b"Transfer-Encoding: Chunked\r\nContent-Length: 9\r\n\r\nA\r\n0123456789\r\n0\r\n",
        200,
        b"0123456789",
    ),
    (b"HTTP/1.0 200\r\n\r\nuntil close", 200, b"until close"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404, b"no"),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
]


def read_all(reader: ResponseReader, wire: bytes) -> None:
    if not reader.feed(wire):
        reader.end()


@pytest.mark.parametrize(("wire", "status", "body"), RESPONSES)
@given(data=st.data())
def test_response_is_read_however_the_stream_is_cut(
    data: st.DataObject, wire: bytes, status: int, body: bytes
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1))))
    reader = ResponseReader(want_body=True)
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        reader.feed(wire[start:end])
    reader.end()
    assert (reader.complete, reader.status, bytes(reader.body)) == (True, status, body)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"", "closed without response"),
        (HEAD, "closed within the headers"),
        (b"SSH-2.0-OpenSSH\r\n", "not an HTTP/1 response"),
        (b"HTTP/2 200\r\n\r\n", "not an HTTP/1 response"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "malformed status line"),
        (b"HTTP/1.1 200OK\r\n\r\n", "malformed status line"),
        (HEAD + b"X: " + b"a" * MAX_HEAD, f"headers longer than {MAX_HEAD} bytes"),
        (HEAD + b"no colon\r\n\r\n", "malformed header line"),
        (HEAD + b"Content-Length : 5\r\n\r\nhello", "malformed header line"),
        (HEAD + b"Content-Length: -5\r\n\r\n", "malformed Content-Length"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "malformed Content-Length"),
        (HEAD + b"Content-Length: 9\r\n\r\nhello", "closed within the body"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", "transfer coding other than chunked"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "malformed chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", "malformed chunk"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "closed within the body"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000, "malformed chunk"),
    ],
)
def test_malformed_response_is_refused_with_its_reason(wire: bytes, why: str) -> None:
    reader = ResponseReader(want_body=True)
    with pytest.raises(BadResponse) as caught:
        read_all(reader, wire)
    assert str(caught.value) == why


@given(st.lists(st.binary(max_size=64)))
def test_no_bytes_whatever_break_the_reader(pieces: list[bytes]) -> None:
    reader = ResponseReader(want_body=True)
    try:
        for piece in [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *pieces]:
            reader.feed(piece)
    except BadResponse:
        return
    assert reader.status == 200


def test_status_is_enough_when_no_body_is_wanted() -> None:
    reader = ResponseReader(want_body=False)
    assert reader.feed(HEAD + b"Content-Length: 1000000\r\n\r\n")
    assert reader.status == 200


@pytest.mark.parametrize(
    "wire", [HEAD + b"\r\n" + b"x" * 200_000, HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000,
             HEAD + b"Transfer-Encoding: chunked\r\n\r\n30D40\r\n" + b"x" * 200_000]
)  # fmt: skip
def test_not_more_than_64_kib_of_body_is_read(wire: bytes) -> None:
    reader = ResponseReader(want_body=True)
    assert reader.feed(wire)
    assert len(reader.body) == MAX_BODY


@pytest.mark.parametrize(
    ("probe", "host"),
    [
        (Probe(ProbeKind.HTTP, IPv4Address("10.0.0.1"), 80), b"10.0.0.1"),
        (Probe(ProbeKind.HTTP, IPv4Address("10.0.0.1"), 8080), b"10.0.0.1:8080"),
        (Probe(ProbeKind.HTTPS, IPv6Address("fd00::1"), 443), b"[fd00::1]"),
        (Probe(ProbeKind.HTTPS, IPv6Address("fd00::1"), 80), b"[fd00::1]:80"),
        (Probe(ProbeKind.HTTP, IPv4Address("10.0.0.1"), 8080, host="shop.example"), b"shop.example"),
    ],
)
def test_request_names_the_host(probe: Probe, host: bytes) -> None:
    lines = request(probe).split(b"\r\n")
    assert lines[0] == b"GET / HTTP/1.1"
    assert b"Host: " + host in lines
    assert b"Connection: close" in lines
    assert lines[-2:] == [b"", b""]


def test_statuses_are_shown_as_people_write_them() -> None:
    assert status_text(((200, 200), (301, 308))) == "200, 301-308"
