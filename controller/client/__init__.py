"""The client of the API, typed, with asyncio or without. It needs the messages, grpcio and protobuf, and nothing else.

with Client("unix:/var/lib/evenkeel/state.db.api.sock") as client:
    client.drain("pools/web/backends/s1")
"""

from controller.client.addresses import Tls
from controller.client.aio import AsyncClient
from controller.client.errors import ApiError
from controller.client.sync import Client

__all__ = ["ApiError", "AsyncClient", "Client", "Tls"]
