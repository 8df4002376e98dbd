"""The command line of the switch: simple_switch_grpc's flags, so that scripts written for it run this one."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

MAX_PORT = 511
"""v1model's ports have 9 bits; the highest one means drop."""

DEFAULT_ADDRESS = "0.0.0.0:9559"

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}

IGNORED = ("thrift-port", "nanolog", "notifications-addr", "max-port-count", "priority-queues", "max-mc-groups",
           "max-l1-entries", "max-l2-entries")  # fmt: skip
"""Options with a value that change nothing here; each given one is named in a notice."""

REFUSED = ("use-files", "packet-in", "restore-state", "debugger-addr", "dp-grpc-server-addr")
"""Options with a value whose promise this switch cannot keep."""

REFUSED_FLAGS = ("debugger",)


class UsageError(Exception):
    """The command line is wrong; the text says what would be right."""


@dataclass(frozen=True)
class Tls:
    """Files in PEM of the P4Runtime server."""

    cert: Path
    key: Path
    ca: Path | None = None
    """Who signs the certificates that clients have to show; None: they need none."""


@dataclass(frozen=True)
class Options:
    """What the process was asked to do."""

    interfaces: dict[int, str]
    """Interface name of each port."""
    program: Path | None
    """bmv2 JSON to run from the start; None: wait for a controller's."""
    device_id: int = 0
    address: str = DEFAULT_ADDRESS
    """host:port or unix:PATH of the P4Runtime server."""
    tls: Tls | None = None
    cpu_port: int | None = None
    log_console: bool = False
    log_file: Path | None = None
    log_level: int = logging.INFO
    pcap: Path | None = None
    """Folder for a capture of each interface and direction."""
    trace_socket: Path | None = None
    """Where to answer questions for traces (``tracer.py``)."""
    notices: tuple[str, ...] = ()
    """What was asked for and is ignored."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(arguments: Sequence[str]) -> Options:
    """Options of a command line, target options behind ``--`` or before it; raises UsageError.

    SystemExit(0) after ``--help``.
    """
    given = command_line().parse_args([one for one in arguments if one != "--"])
    for name in (*REFUSED, *REFUSED_FLAGS):
        if getattr(given, name.replace("-", "_")):
            raise UsageError(f"--{name} is simple_switch_grpc's and not supported here; leave it out")
    program, pcap = given.program, given.pcap
    if pcap is not None and pcap.suffix == ".json" and program is None and not given.no_p4:
        # "--pcap PROGRAM": the folder was left out, and what followed was taken for it.
        program, pcap = pcap, Path(".")
    if given.no_p4 == (program is not None):
        raise UsageError("give a bmv2 JSON, or --no-p4 to wait for a controller's, and not both")
    interfaces = _interfaces(given.interface)
    _check_ports(interfaces, given.cpu_port, given.drop_port)
    return Options(
        interfaces=interfaces,
        program=program,
        device_id=given.device_id,
        address=given.grpc_server_addr,
        tls=_tls(given),
        cpu_port=given.cpu_port,
        log_console=given.log_console,
        log_file=given.log_file,
        log_level=LEVELS[given.log_level],
        pcap=pcap,
        trace_socket=given.trace_socket,
        notices=tuple(f"--{name}" for name in IGNORED if getattr(given, name.replace("-", "_")) is not None),
    )


def command_line() -> argparse.ArgumentParser:
    """The parser, with a help text for every option that has an effect."""
    parser = _Parser(
        prog="evenkeel switch",
        description="A P4Runtime switch for v1model programs, in place of simple_switch_grpc.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("program", nargs="?", type=Path, metavar="JSON", help="program that p4c-bm2-ss compiled")
    add(
        "-i",
        "--interface",
        action="append",
        default=[],
        metavar="PORT@IFACE",
        help="attach an interface, or unix:FOLDER/A-B",
    )
    add("--no-p4", action="store_true", help="start without a program; a controller sets one")
    add("--device-id", type=int, default=0, metavar="N", help="P4Runtime device id (default 0)")
    add("--pcap", nargs="?", type=Path, const=Path("."), metavar="DIR", help="capture every interface in DIR")
    add("--log-console", action="store_true", help="log to standard output")
    add("--log-file", type=Path, metavar="FILE", help="log to FILE")
    add("--log-flush", action="store_true", help="log files are always flushed")
    add("-L", "--log-level", choices=LEVELS, default="info", help="default: info")
    add(
        "--trace-socket", type=Path, metavar="PATH", help="answer traces on this Unix socket (evenkeel's own)"
    )
    add("--disable-swap", action="store_true", help="nothing to disable here")
    target = parser.add_argument_group("target options, after --")
    add = target.add_argument
    add("--grpc-server-addr", default=DEFAULT_ADDRESS, metavar="ADDR", help=f"default: {DEFAULT_ADDRESS}")
    add("--grpc-server-ssl", action="store_true", help="serve P4Runtime with TLS")
    add("--grpc-server-cert", type=Path, metavar="PEM", help="the switch's certificate")
    add("--grpc-server-key", type=Path, metavar="PEM", help="its private key")
    add("--grpc-server-cacert", type=Path, metavar="PEM", help="who signs the certificates of clients")
    add("--grpc-server-with-client-auth", action="store_true", help="refuse clients without a certificate")
    add(
        "--cpu-port",
        type=int,
        metavar="N",
        help="port of packet-in and packet-out; without it there are none",
    )
    add("--drop-port", type=int, default=MAX_PORT, metavar="N", help=f"only {MAX_PORT} is supported")
    for name in (*IGNORED, *REFUSED):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name in REFUSED_FLAGS:
        parser.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    return parser


def _tls(given: argparse.Namespace) -> Tls | None:
    cert, key, ca = given.grpc_server_cert, given.grpc_server_key, given.grpc_server_cacert
    clients = given.grpc_server_with_client_auth
    if not given.grpc_server_ssl:
        if cert or key or ca or clients:
            raise UsageError("--grpc-server-cert and the like: give --grpc-server-ssl too")
        return None
    if cert is None or key is None:
        raise UsageError("--grpc-server-ssl: give --grpc-server-cert and --grpc-server-key too")
    if clients and ca is None:
        raise UsageError("--grpc-server-with-client-auth: give --grpc-server-cacert too")
    return Tls(cert, key, ca if clients else None)


def _interfaces(given: Sequence[str]) -> dict[int, str]:
    interfaces: dict[int, str] = {}
    for one in given:
        number, at, name = one.partition("@")
        if not at or not number.isdigit() or not name:
            raise UsageError(f"-i {one}: should be PORT@INTERFACE, like 1@veth0")
        if int(number) in interfaces:
            raise UsageError(f"-i {one}: port {number} is {interfaces[int(number)]} already")
        interfaces[int(number)] = name
    return interfaces


def _check_ports(interfaces: dict[int, str], cpu_port: int | None, drop_port: int) -> None:
    if drop_port != MAX_PORT:
        raise UsageError(f"--drop-port {drop_port}: only {MAX_PORT} can be the drop port here")
    for port in interfaces:
        if port >= MAX_PORT:
            raise UsageError(f"-i {port}@{interfaces[port]}: ports are 0..{MAX_PORT - 1}")
    if cpu_port is None:
        return
    if not 0 < cpu_port < MAX_PORT:
        raise UsageError(f"--cpu-port {cpu_port}: should be 1..{MAX_PORT - 1}")
    if cpu_port in interfaces:
        raise UsageError(f"--cpu-port {cpu_port}: that port is interface {interfaces[cpu_port]}")
