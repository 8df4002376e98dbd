"""The switch as a process: interfaces, one packet loop and the P4Runtime server, until it is told to stop."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from topo.p4switch.dataplane import DataPlane
from topo.p4switch.errors import P4SwitchError
from topo.p4switch.options import Options, UsageError, parse
from topo.p4switch.pcap import Captures
from topo.p4switch.runtime.server import Server
from topo.p4switch.runtime.service import Service
from topo.p4switch.tracer import TraceServer
from topo.p4switch.unixlink import PREFIX, UnixLink

LOG = logging.getLogger("topo.p4switch")

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""Entries by the ten thousand are no garbage: looking through all of them every so often would hold packets up."""

READY = "ready"
"""First word of the one line on standard output that says that the switch serves."""

STOPS = (signal.SIGTERM, signal.SIGINT)
"""What ends a switch."""


class ExitCode(IntEnum):
    """``evenkeel switch``"""

    STOPPED = 0
    """Stopped by SIGTERM or SIGINT."""
    FAULT = 1
    """The switch could not be started, or failed."""
    BAD_USAGE = 2
    """The command line is wrong."""


def main(arguments: Sequence[str]) -> ExitCode:
    """Run a switch by this command line until a signal ends it; returns the exit code."""
    try:
        options = parse(arguments)
    except UsageError as error:
        print(f"evenkeel switch: {error}", file=sys.stderr)
        return ExitCode.BAD_USAGE
    _log_to(options)
    for notice in options.notices:
        print(f"evenkeel switch: {notice} is simple_switch_grpc's and changes nothing here", file=sys.stderr)
    # Waited for, not handled: a handler that sets an event waits for ever for what it has just interrupted.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        with contextlib.ExitStack() as parts:
            service = _start(options, parts)
            gc.freeze()
            gc.set_threshold(*GARBAGE_THRESHOLDS)
            print(f"{READY}: device {options.device_id} at {options.address}", flush=True)
            signal.sigwait(STOPS)
            LOG.info("stopping; %s packet-ins and %s digests dropped", *service.dropped())
    except (OSError, P4SwitchError) as error:
        print(f"evenkeel switch: {error}", file=sys.stderr)
        return ExitCode.FAULT
    return ExitCode.STOPPED


def _start(options: Options, parts: contextlib.ExitStack) -> Service:
    """Bring everything up; ``parts`` takes it down. Raises OSError or P4SwitchError."""
    plane = DataPlane(options.cpu_port)
    parts.callback(plane.close)
    if options.pcap is not None:
        captures = parts.enter_context(Captures(options.pcap, options.interfaces, time.time_ns))
        # Closed after the links: the stack is unwound from its end.
        parts.callback(plane.stop)
        plane.tap = captures.write
    for port, interface in options.interfaces.items():
        if interface.startswith(PREFIX):
            plane.add_unix(port, UnixLink(Path(interface.removeprefix(PREFIX))))
        else:
            plane.add_interface(port, interface)
    if options.program is not None:
        plane.run(plane.load(options.program.read_bytes()))
    service = Service(options.device_id, plane)
    server = Server(service, options.address, options.tls)
    plane.start()
    parts.callback(server.stop)
    server.start()
    if options.trace_socket is not None:
        parts.callback(TraceServer(options.trace_socket, plane).close)
    return service


def _log_to(options: Options) -> None:
    """Where the options want the log: standard output, a file, or nowhere."""
    handler: logging.Handler
    if options.log_file is not None:
        handler = logging.FileHandler(options.log_file)
    elif options.log_console:
        handler = logging.StreamHandler(sys.stdout)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("topo")
    root.addHandler(handler)
    root.setLevel(options.log_level)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
