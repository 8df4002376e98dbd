"""The gRPC server around the service: address, threads and limits."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from finsy.proto import p4r_grpc

from topo.p4switch.options import Tls
from topo.p4switch.runtime.service import MAX_SESSIONS, Service

CALLS = 8
"""Calls served beside the open streams; writes and reads run one at a time anyway."""

MAX_MESSAGE = 128 << 20
"""Bytes of a request: a large program's JSON, or a very large batch."""

STOP_SECONDS = 2.0
"""How long calls in progress may take to end when the server stops."""

SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread lets another one run; Python's default of 5 ms would hold packets up."""


class Server:
    """Serves one device at one address, from ``start`` to ``stop``."""

    def __init__(self, service: Service, address: str, tls: Tls | None = None) -> None:
        """``address``: host:port or unix:PATH. Raises OSError if it cannot be bound, or a file cannot be read."""
        self._service = service
        # Not shared with another process that was given the same port: one of the two would get the calls.
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._pool = ThreadPoolExecutor(MAX_SESSIONS + CALLS, thread_name_prefix="p4runtime")
        self._server = grpc.server(self._pool, options=options)
        p4r_grpc.add_P4RuntimeServicer_to_server(service, self._server)
        try:
            if tls is None:
                self.port = int(self._server.add_insecure_port(address))
            else:
                self.port = int(self._server.add_secure_port(address, _credentials(tls)))
        except RuntimeError as error:
            raise OSError(f"cannot listen at {address}: {error}") from error
        self._notifier = threading.Thread(target=service.notifier.run, name="notifier", daemon=True)

    def start(self) -> None:
        """Serve; returns at once."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._notifier.start()
        self._server.start()

    def stop(self) -> None:
        """End streams and calls, and wait until they have ended."""
        self._service.close()
        self._service.notifier.stop()
        self._server.stop(STOP_SECONDS).wait(2 * STOP_SECONDS)
        self._notifier.join(STOP_SECONDS)
        self._pool.shutdown(wait=False)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    ca = None if tls.ca is None else tls.ca.read_bytes()
    pair = (tls.key.read_bytes(), tls.cert.read_bytes())
    return grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)
