"""Ready-made changes of the intent, as an operator would write them into the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from topo.intent import backend
from topo.lab import Lab

Change = Callable[[Any], object]
TRIO = Path(__file__).parent / "data" / "trio.yaml"
"""One edge, three lbs, one leaf, four servers."""


def tune(lab: Lab, change: Change) -> None:
    """Change the intent file while no controller runs."""
    yaml = YAML()
    document = yaml.load(lab.intent_path.read_text(encoding="utf-8"))
    change(document)
    text = io.StringIO()
    yaml.dump(document, text)
    lab.intent_path.write_text(text.getvalue(), encoding="utf-8")


def pool(name: str = "web", **settings: Any) -> Change:
    """Set keys of a pool."""
    return lambda document: _pool(document, name).update(settings)


def weights(of: str, **weight: int) -> Change:
    """Set weights of backends of a pool."""

    def change(document: Any) -> None:
        for one in _pool(document, of)["backends"]:
            if one["name"] in weight:
                one["weight"] = weight[one["name"]]

    return change


def _pool(document: Any, name: str) -> Any:
    return next(one for one in document["pools"] if one["name"] == name)


def still(document: Any) -> None:
    """Add a pool of the first one's backends that stays as it is, and listeners for it on TCP port 7002, dr and tun."""
    first = document["pools"][0]
    kept = {key: value for key, value in first.items() if key not in ("name", "backends")}
    document["pools"].append({"name": "still", **kept, "backends": [dict(one) for one in first["backends"]]})
    for vip in document["vips"]:
        mode = {"10.0.0.100": "dr", "10.0.0.103": "tun"}.get(vip["address"])
        if mode is not None:
            vip["listeners"].append({"protocol": "tcp", "port": 7002, "pool": "still", "mode": mode})


def add(lab: Lab, name: str, **more: Any) -> Change:
    """Add a server of the lab to the first pool."""
    entry = {"name": name, **backend(lab.fabric.hosts[name]), **more}
    return lambda document: document["pools"][0]["backends"].append(entry)


def remove(name: str) -> Change:
    """Take a backend out of the first pool."""

    def change(document: Any) -> None:
        backends = document["pools"][0]["backends"]
        backends[:] = [one for one in backends if one["name"] != name]

    return change


def member(name: str, **settings: Any) -> Change:
    """Set keys of a backend of the first pool."""

    def change(document: Any) -> None:
        next(one for one in document["pools"][0]["backends"] if one["name"] == name).update(settings)

    return change
