from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finsy.proto import p4r

from tests.fakes.p4client import DELETE, INSERT, MODIFY, Client, Failed, program_info, program_json
from tests.fakes.p4rig import Rig, exact, lpm, serving
from topo.p4switch.runtime.config import program_of
from topo.p4switch.runtime.errors import P4Error
from topo.p4switch.runtime.service import API_VERSION

Action = p4r.SetForwardingPipelineConfigRequest.Action
Response = p4r.GetForwardingPipelineConfigRequest.ResponseType


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with serving(tmp_path) as made:
        yield made


@pytest.fixture
def client(rig: Rig) -> Iterator[Client]:
    """A primary of a switch that runs no program yet."""
    with rig.client() as made:
        yield made.become_primary()


def config(cookie: int | None = 7, device_config: bytes | None = None) -> p4r.ForwardingPipelineConfig:
    made = p4r.ForwardingPipelineConfig(
        p4info=program_info(), p4_device_config=device_config or program_json()
    )
    if cookie is not None:
        made.cookie.cookie = cookie
    return made


def held(client: Client, response: int = Response.ALL) -> p4r.GetForwardingPipelineConfigResponse:
    request = p4r.GetForwardingPipelineConfigRequest(device_id=1, response_type=Response.ValueType(response))
    got = client.call(client.stub.GetForwardingPipelineConfig, request)
    assert isinstance(got, p4r.GetForwardingPipelineConfigResponse)
    return got


def test_before_a_config_nothing_is_written_or_read_and_the_answer_has_none(rig: Rig, client: Client) -> None:
    assert not held(client).HasField("config")
    with pytest.raises(Failed) as refused:
        client.write((INSERT, rig.slot(1)))
    assert refused.value.code == "FAILED_PRECONDITION"
    with pytest.raises(Failed) as refused:
        client.read(rig.all_of("slot"))
    assert refused.value.code == "FAILED_PRECONDITION"


ANSWERS: list[tuple[int, set[str]]] = [
    (Response.ALL, {"p4info", "p4_device_config", "cookie"}),
    (Response.COOKIE_ONLY, {"cookie"}),
    (Response.P4INFO_AND_COOKIE, {"p4info", "cookie"}),
    (Response.DEVICE_CONFIG_AND_COOKIE, {"p4_device_config", "cookie"}),
]


@pytest.mark.parametrize(("response", "fields"), ANSWERS)
def test_a_config_is_given_back_as_set_and_as_far_as_asked_for(
    client: Client, response: int, fields: set[str]
) -> None:
    client.set_pipeline(config=config())
    got = held(client, response).config
    assert {field.name for field, _ in got.ListFields()} == fields
    for field in fields:
        assert getattr(got, field) == getattr(config(), field)


def test_without_a_cookie_none_is_given_back(client: Client) -> None:
    client.set_pipeline(config=config(cookie=None))
    assert not held(client).config.HasField("cookie")


def test_a_cookie_of_zero_is_a_cookie(client: Client) -> None:
    client.set_pipeline(config=config(cookie=0))
    assert held(client).config.HasField("cookie")


def test_verify_changes_nothing(rig: Rig, client: Client) -> None:
    client.set_pipeline(Action.VERIFY, config())
    assert rig.plane.running is None
    assert not held(client).HasField("config")


def test_a_saved_config_takes_writes_and_runs_with_them_once_committed(rig: Rig, client: Client) -> None:
    client.set_pipeline(config=config(cookie=1))
    client.write((INSERT, rig.slot(1)))
    running = rig.plane.running
    client.set_pipeline(Action.VERIFY_AND_SAVE, config(cookie=2))
    client.write((INSERT, rig.slot(2)))
    assert client.read(rig.all_of("slot")) == [rig.slot(2)]
    assert rig.plane.running is running
    commit(client)
    assert rig.plane.running is not running
    assert client.read(rig.all_of("slot")) == [rig.slot(2)]
    assert held(client).config.cookie.cookie == 2


def commit(client: Client, config: p4r.ForwardingPipelineConfig | None = None) -> None:
    request = p4r.SetForwardingPipelineConfigRequest(device_id=1, action=Action.COMMIT, config=config)
    request.election_id.low = client.election_id
    client.call(client.stub.SetForwardingPipelineConfig, request)


def test_commit_needs_a_saved_config_and_takes_none(rig: Rig, client: Client) -> None:
    with pytest.raises(Failed) as refused:
        commit(client)
    assert refused.value.code == "NOT_FOUND"
    client.set_pipeline(Action.VERIFY_AND_SAVE, config())
    with pytest.raises(Failed) as refused:
        commit(client, config())
    assert refused.value.code == "INVALID_ARGUMENT"


def test_commit_clears_what_was_written_before(rig: Rig, client: Client) -> None:
    client.set_pipeline()
    client.write((INSERT, rig.slot(1)))
    client.set_pipeline()
    assert client.read(rig.all_of("slot")) == []


def test_reconcile_keeps_what_was_written(rig: Rig, client: Client) -> None:
    client.set_pipeline(config=config(cookie=1))
    member = p4r.ActionProfileMember(
        action_profile_id=rig.ids["spread"], member_id=1, action=rig.action("forward", 1)
    )
    group = p4r.ActionProfileGroup(action_profile_id=rig.ids["spread"], group_id=2, max_size=8)
    group.members.add(member_id=1, weight=2)
    choice = rig.entry("choice", exact(3))
    choice.table_entry.action.action_profile_group_id = 2
    value_set = p4r.ValueSetEntry(value_set_id=rig.ids["address_types"])
    value_set.members.add().match.add(field_id=1).exact.value = b"\x12\x34"
    counter = p4r.CounterEntry(counter_id=rig.ids["ports"], index=p4r.Index(index=2))
    counter.data.packet_count = 5
    register = p4r.RegisterEntry(register_id=rig.ids["cells"], index=p4r.Index(index=2))
    register.data.bitstring = b"\7"
    clone = p4r.CloneSessionEntry(session_id=7, replicas=[p4r.Replica(port=b"\1")])
    kept = [
        (INSERT, rig.slot(1, metadata=b"m", counter_data=p4r.CounterData(packet_count=3))),
        (INSERT, rig.entry("route", lpm(0, 8), action=rig.action("forward", 1), idle_timeout_ns=9)),
        (MODIFY, rig.entry("route", action=rig.action("forward", 3), is_default_action=True)),
        (INSERT, p4r.Entity(action_profile_member=member)),
        (INSERT, p4r.Entity(action_profile_group=group)),
        (INSERT, choice),
        (MODIFY, p4r.Entity(value_set_entry=value_set)),
        (MODIFY, p4r.Entity(counter_entry=counter)),
        (MODIFY, p4r.Entity(register_entry=register)),
        (
            INSERT,
            p4r.Entity(
                packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(clone_session_entry=clone)
            ),
        ),
    ]
    client.write(*kept)
    wanted = [everything(one) for _, one in kept]
    before = client.read(*wanted)
    first = rig.plane.running
    client.set_pipeline(Action.RECONCILE_AND_COMMIT, config(cookie=2))
    assert rig.plane.running is not first
    assert client.read(*wanted) == before
    assert held(client).config.cookie.cookie == 2


def everything(entity: p4r.Entity) -> p4r.Entity:
    """A request that reads this entity whole."""
    wanted = p4r.Entity()
    wanted.CopyFrom(entity)
    if entity.HasField("table_entry"):
        wanted.table_entry.ClearField("action")
    return wanted


def test_reconcile_refuses_a_program_that_cannot_keep_what_was_written(rig: Rig, client: Client) -> None:
    client.set_pipeline()
    client.write((INSERT, rig.slot(1)))
    smaller = config()
    for held_list in (smaller.p4info.tables, smaller.p4info.direct_counters):
        for place, one in reversed(list(enumerate(held_list))):
            if one.preamble.alias in ("slot", "slot_hits"):
                del held_list[place]
    running = rig.plane.running
    with pytest.raises(Failed) as refused:
        client.set_pipeline(Action.RECONCILE_AND_COMMIT, smaller)
    assert refused.value.code == "INVALID_ARGUMENT"
    assert rig.plane.running is running
    assert client.read(rig.all_of("slot")) == [rig.slot(1)]


def without_info() -> p4r.ForwardingPipelineConfig:
    return p4r.ForwardingPipelineConfig(p4_device_config=b"not a program", p4info=program_info())


def other_name() -> p4r.ForwardingPipelineConfig:
    made = config()
    made.p4info.tables[0].preamble.name = "Enter.nowhere"
    return made


def other_kind() -> p4r.ForwardingPipelineConfig:
    made = config()
    made.p4info.tables[0].match_fields[0].match_type = made.p4info.tables[2].match_fields[1].match_type
    return made


@pytest.mark.parametrize(
    "make",
    [
        without_info,
        other_name,
        other_kind,
        lambda: config(device_config=b"{}"),
        lambda: config(device_config=b"{"),
    ],
)
@pytest.mark.parametrize("action", [Action.VERIFY, Action.VERIFY_AND_SAVE, Action.VERIFY_AND_COMMIT])
def test_a_config_that_cannot_run_is_refused_and_the_old_one_stays(
    rig: Rig, client: Client, make: Callable[[], p4r.ForwardingPipelineConfig], action: int
) -> None:
    client.set_pipeline(config=config(cookie=5))
    client.write((INSERT, rig.slot(1)))
    with pytest.raises(Failed) as refused:
        client.set_pipeline(action, make())
    assert refused.value.code == "INVALID_ARGUMENT"
    assert held(client).config.cookie.cookie == 5
    assert client.read(rig.all_of("slot")) == [rig.slot(1)]
    client.write((DELETE, rig.slot(1)))


def without_table(name: str) -> bytes:
    """The test program as if the compiler had removed a table that nothing applies."""
    program = json.loads(program_json())
    for pipeline in program["pipelines"]:
        found = [table for table in pipeline["tables"] if table["name"] == name]
        pipeline["tables"] = [table for table in pipeline["tables"] if table["name"] != name]
        for table in found:
            following = next(iter(table["next_tables"].values()), table["base_default_next"])
            text = json.dumps(pipeline).replace(f': "{name}"', f": {json.dumps(following)}")
            pipeline.clear()
            pipeline.update(json.loads(text))
        for array in ("counter_arrays", "meter_arrays"):
            program[array] = [one for one in program[array] if one.get("binding") != name]
    return json.dumps(program).encode()


def test_a_table_that_the_compiler_removed_has_no_entries_and_takes_none(rig: Rig, client: Client) -> None:
    name = next(table.preamble.name for table in program_info().tables if table.preamble.alias == "slot")
    client.set_pipeline(config=config(device_config=without_table(name)))
    assert client.read(rig.all_of("slot")) == []
    with pytest.raises(Failed) as refused:
        client.write((INSERT, rig.slot(1)))
    assert refused.value.codes == ["NOT_FOUND"]
    assert f"table {name} is in the P4Info, but the compiler removed it" in str(
        refused.value.errors[0].message
    )
    assert all(
        one.table_entry.table_id != rig.ids["slot"]
        for one in client.read(p4r.Entity(table_entry=p4r.TableEntry()))
    )


def test_a_missing_config_and_an_unknown_action_are_refused(client: Client) -> None:
    request = p4r.SetForwardingPipelineConfigRequest(device_id=1)
    request.election_id.low = client.election_id
    for action in (Action.UNSPECIFIED, Action.VERIFY, Action.VERIFY_AND_COMMIT, Action.RECONCILE_AND_COMMIT):
        request.action = action
        with pytest.raises(Failed) as refused:
            client.call(client.stub.SetForwardingPipelineConfig, request)
        assert refused.value.code == "INVALID_ARGUMENT"


def wrapped(program: bytes) -> bytes:
    """A p4.tmp.P4DeviceConfig: reassign (2) true, device_data (3)."""
    size, octets = len(program), b""
    while size >= 128:
        octets += bytes([size & 127 | 128])
        size >>= 7
    return b"\x10\x01\x1a" + octets + bytes([size]) + program


def test_the_device_config_of_old_clients_is_understood() -> None:
    program = json.dumps({"pipelines": ["x" * 300]}).encode()
    assert program_of(wrapped(program)) == program
    assert program_of(b" \n" + program) == b" \n" + program


@pytest.mark.parametrize("octets", [b"", b"\x10\x01", b"\x1a\xff\x01", b"\xff" * 12, b"nonsense"])
def test_a_device_config_that_is_neither_is_refused(octets: bytes) -> None:
    with pytest.raises(P4Error) as refused:
        program_of(octets)
    assert refused.value.code.name == "INVALID_ARGUMENT"


def test_capabilities_tell_the_version_of_the_api(client: Client) -> None:
    got = client.call(client.stub.Capabilities, p4r.CapabilitiesRequest())
    assert got.p4runtime_api_version == API_VERSION
    client.call(client.stub.Capabilities, p4r.CapabilitiesRequest(device_id=1))
    with pytest.raises(Failed) as refused:
        client.call(client.stub.Capabilities, p4r.CapabilitiesRequest(device_id=2))
    assert refused.value.code == "NOT_FOUND"


def test_another_device_is_not_found(client: Client) -> None:
    client.set_pipeline()
    for method, request in (
        (client.stub.GetForwardingPipelineConfig, p4r.GetForwardingPipelineConfigRequest(device_id=2)),
        (
            lambda request, timeout: list(client.stub.Read(request, timeout=timeout)),
            p4r.ReadRequest(device_id=2),
        ),
    ):
        with pytest.raises(Failed) as refused:
            client.call(method, request)
        assert refused.value.code == "NOT_FOUND"
