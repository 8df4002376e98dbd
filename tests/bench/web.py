"""The web servers of a bench in a lab, and what programs that connect to them said."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Sequence

from tests.bench.rig import Rig

LATER = 60.0
"""Seconds by which programs may end, or a VIP answer, late on a busy machine."""
_NGINX = """
user root;
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000;
  client_body_temp_path {folder};
  server {{
    {listens}
    location / {{ return 200 "{name}\\n"; }}
  }}
}}
"""


_SPREAD = """
local addresses = {{ {addresses} }}
local made = 0
function setup(thread)
  made = made + 1
  thread.addr = wrk.lookup(addresses[made % #addresses + 1], "{port}")[1]
end
"""


def spread(rig: Rig, addresses: Sequence[str], port: int) -> str:
    """A script for wrk, whose threads take turns with the addresses; its path."""
    script = rig.folder / "spread.lua"
    quoted = ", ".join(f'"{address}"' for address in addresses)
    script.write_text(_SPREAD.format(addresses=quoted, port=port))
    return str(script)


def serve(rig: Rig, nginx: str, names: Sequence[str], listens: Sequence[int | str]) -> None:
    """Run nginx on each of these hosts; it answers every request with the host's name.

    ``listens``: ports, or ``[::]:PORT``.
    """
    lines = "\n    ".join(f"listen {each} backlog=4096;" for each in listens)
    for name in names:
        folder = rig.folder / name
        folder.mkdir()
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, name=name, listens=lines))
        argv = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        rig.start(name, argv, stderr=subprocess.DEVNULL)


def answers(rig: Rig, client: str, vip: str, port: int) -> None:
    """Wait until a VIP takes connections of a client. Raises RuntimeError."""
    limit = time.monotonic() + LATER
    while time.monotonic() < limit:
        with rig.lab.socket(client, socket.AF_INET6 if ":" in vip else socket.AF_INET) as sock:
            sock.settimeout(1.0)
            try:
                sock.connect((vip, port))
            except OSError:
                time.sleep(0.2)
            else:
                return
    raise RuntimeError(f"{vip}:{port} did not answer within {LATER:g} s")


def made(wrk: subprocess.Popen[str]) -> int:
    """How many requests a ``wrk`` made that ends by itself. Raises RuntimeError with what it said otherwise."""
    said, _ = wrk.communicate(timeout=LATER)
    found = re.search(r"(\d+) requests in", said)
    if wrk.returncode or found is None:
        raise RuntimeError(f"wrk: {said.strip()[-300:]}")
    return int(found[1])


def entries(rig: Rig, switch: str) -> int:
    """Conntrack entries of a switch."""
    return int(rig.lab.appctl(switch, "dpctl/ct-get-nconns"))
