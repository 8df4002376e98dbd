"""Files of resources: read as they are printed, and every error at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.api.messages import fill
from controller.api.v1 import resources_pb2 as messages
from controller.api.v1 import service_pb2 as api
from controller.cli.getting import plain_of, yaml_of
from controller.cli.resourcefiles import One, Whole, of_text, read
from controller.model.document import document
from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from tests.fakes.process import quiet_intent

TEXT = quiet_intent("pair")
DOCUMENT = fill(messages.Document(), document(load_text(TEXT, "pair")))


def resources() -> list[api.Resource]:
    """All that an intent holds."""
    found: list[api.Resource] = []
    for key, field in (("sites", "site"), ("switches", "switch"), ("pools", "pool"), ("vips", "vip")):
        found += [
            api.Resource(name=f"{key}/{each.name}", revision=7, **{field: each})
            for each in getattr(DOCUMENT, key)
        ]
    found += [
        api.Resource(name=f"pools/{pool.name}/backends/{real.name}", backend=real)
        for pool in DOCUMENT.pools
        for real in pool.backends
    ]
    return found


def ones(text: str) -> list[One]:
    """The resources of a text."""
    found = of_text(text, "f")
    assert isinstance(found, list)
    return found


def test_what_is_printed_is_read_as_the_same() -> None:
    wanted = resources()
    text = "---\n".join(yaml_of(plain_of(each)) for each in wanted)
    found = ones(text)
    assert [each.expected for each in found] == [each.revision or None for each in wanted]
    for one, each in zip(found, wanted, strict=True):
        each.ClearField("revision")
        assert one.resource == each


def test_an_intent_is_read_by_the_reader_of_intents() -> None:
    found = of_text(TEXT, "pair.yaml")
    assert isinstance(found, Whole)
    assert found.document == DOCUMENT
    with pytest.raises(ConfigErrors, match=r'bad.yaml:2:1: .* unknown key "wips"'):
        of_text("sites: []\nwips: []\n", "bad.yaml")


def test_values_are_taken_as_they_are_written() -> None:
    text = (
        "switch: {name: lb9, kind: ovs, id: 0x0029, mac: 02:45:56:01:00:29, ports: {1: s1}, tunnel_port: 20}"
    )
    (one,) = ones(text)
    assert (one.name, one.resource.switch.id, dict(one.resource.switch.ports)) == (
        "switches/lb9",
        "0x0029",
        {1: "s1"},
    )
    assert one.resource.switch.tunnel_port == 20
    (pool,) = ones("# of mine\n---\npool: {name: web, transition: 90, health: {type: tcp}}\n---\n# end\n")
    assert (pool.resource.pool.transition, pool.resource.pool.health.type) == ("90", "tcp")
    assert pool.expected is None


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("", ["f:1:1: the file is empty"]),
        ("- a\n", ["f:1:1: a list stands where a resource should"]),
        ("pool: {name: a}\nvip: {name: b}\n", ["f:1:1: a resource holds pool and vip"]),
        ("name: pools/a\n", ["f:1:1: a resource holds no value"]),
        ("pool: {name: a}\nrevison: 1\n", ['f:2:1: a resource has the unknown key "revison"']),
        ("pool: {name: a, wight: 1}\n", ['f:1:17: a pool has the unknown key "wight"']),
        ("pool: {name: a}\n---\npool:\n  name: a\n", ["f:3:1: pools/a is there twice"]),
        ("name: pools/b\npool: {name: a}\n", ['f:1:7: name is "pools/b", but the resource is the pool "a"']),
        ("backend: {name: s1}\n", ["f:1:1: a backend has no name of its pool"]),
        (
            "name: pools/a/backends/s1\nbackend: {name: s1, weight: x}\n",
            ['f:2:29: weight is "x", write a whole'],
        ),
        (
            "name: pools/a/backends/s1\nbackend: {name: s1, drain: 1}\n",
            ['f:2:28: drain is "1", write true or'],
        ),
        ("pool: {name: a, backends: 3}\n", ['f:1:27: backends is "3", write a list']),
        ("pool: {name: a, backends: [3]}\n", ['f:1:28: an item of backends is "3", write a mapping']),
        ("pool: {name: a, health: tcp}\n", ['f:1:25: health is "tcp", write a mapping']),
        ("pool: {name: a, health: {type: }}\n", ["f:1:31: type is empty, write one value"]),
        ("switch: {name: a, ports: {x: s1}}\n", ['f:1:27: "x" is no whole number']),
        ("switch: {name: a, ports: [x]}\n", ["f:1:26: ports is a list, write a mapping"]),
        ("pool: {name: a}\nrevision: -1\n", ['f:2:11: revision is "-1"']),
        ("pool: {name: a}\nrevision: yes\n", ['f:2:11: revision is "yes"']),
        ("pool: {name: a}\n---\nvips: []\n", ["f:3:1: an intent stands beside other resources"]),
        ("pool: {name: a}\n---\nvip: {name: [\n", ["f:4:1: not YAML"]),
    ],
)
def test_an_error_has_its_place_and_what_is_right(text: str, errors: list[str]) -> None:
    with pytest.raises(ConfigErrors) as caught:
        of_text(text, "f")
    found = [str(each) for each in caught.value]
    assert len(found) == len(errors), found
    for line, error in zip(found, errors, strict=True):
        assert line.startswith(error)


def test_a_path_is_found_in_the_file() -> None:
    text = "name: pools/web\npool:\n  name: web\n  backends:\n  - name: s1\n  - name: s2\n    weight: 70000\n"
    (one,) = ones(text)
    assert one.where("backends[1].weight") == "f:7:13"
    assert one.where("backends[1].mac") == "f:6:5"
    assert one.where("backends[7].mac") == "f:5:3"
    assert one.where("") == "f:3:3"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"none.yaml: cannot be read"):
        read(tmp_path / "none.yaml")
