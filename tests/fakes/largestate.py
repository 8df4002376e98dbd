"""A large state as a controller stores it."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address

from controller.plan import history
from controller.spec.codec import encode
from controller.spec.types import Intent
from tests.fakes.poollife import Life, backend, pool


def five_thousand() -> dict[str, bytes | None]:
    """What a controller stores of 5,000 backends in one pool of 65,536 slots, as it stores it."""
    names = [f"backend-{number:04d}.rack-{number % 40}.east" for number in range(5000)]
    made = pool()
    many = tuple(
        backend(
            name,
            addresses=(ip_address(f"10.{1 + n // 250}.{n % 250}.7"),),
            mac=f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}",
        )
        for n, name in enumerate(names)
    )
    made = replace(made, backends=many)
    life = Life(made, slots=65536)
    life.go(10.0, replace(made, backends=many[:-1]))
    assert life.state.moving
    intent = Intent((), (), (life.pool,), ())
    return {
        "intent": _json(intent),
        "pool/web/tcp": history.dump(life.state),
        "ids": life.ids.dump().encode(),
        "verdicts/web": _json({name: {"up": True, "since": 1.5, "reason": ""} for name in names}),
    }


def _json(value: object) -> bytes:
    return json.dumps(encode(value)).encode()
