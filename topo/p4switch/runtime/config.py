"""Forwarding pipeline configs: what is running, what is saved, and how one takes the other's place."""

from __future__ import annotations

from collections.abc import Callable

from finsy.proto import p4r

from topo.p4switch.errors import P4SwitchError, StateError
from topo.p4switch.runtime import entities
from topo.p4switch.runtime.errors import P4Error, failed_precondition, invalid, not_found
from topo.p4switch.runtime.pipeline import Pipeline
from topo.p4switch.runtime.plane import Plane

_Action = p4r.SetForwardingPipelineConfigRequest.Action
_Response = p4r.GetForwardingPipelineConfigRequest.ResponseType
INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE

_DEVICE_DATA = 3
"""Field of p4.tmp.P4DeviceConfig that holds the JSON."""


class Configs:
    """The pipelines of one device. The caller keeps other writes away around every method."""

    def __init__(self, plane: Plane, on_run: Callable[[Pipeline], None]) -> None:
        """``on_run`` is called with every pipeline that is about to run."""
        self.running: Pipeline | None = None
        self._saved: Pipeline | None = None
        self._plane = plane
        self._on_run = on_run

    def target(self) -> Pipeline:
        """The pipeline that reads and writes mean: the saved one if there is one."""
        pipeline = self._saved or self.running
        if pipeline is None:
            raise failed_precondition("no forwarding pipeline config has been set")
        return pipeline

    def set(self, action: int, config: p4r.ForwardingPipelineConfig | None) -> None:
        """Carry out one SetForwardingPipelineConfig; raises P4Error, and then nothing has changed."""
        if action == _Action.COMMIT:
            self._commit(config)
            return
        if action not in (
            _Action.VERIFY,
            _Action.VERIFY_AND_SAVE,
            _Action.VERIFY_AND_COMMIT,
            _Action.RECONCILE_AND_COMMIT,
        ):
            raise invalid(f"pipeline config action {action} is unknown")
        if config is None:
            raise invalid("this action needs a forwarding pipeline config")
        pipeline = self._realize(config)
        if action == _Action.VERIFY:
            pipeline.switch.detach()
        elif action == _Action.VERIFY_AND_SAVE:
            self._forget_saved()
            self._saved = pipeline
        elif action == _Action.VERIFY_AND_COMMIT:
            self._run(pipeline)
        else:
            self._reconcile(pipeline)

    def get(self, response: int) -> p4r.ForwardingPipelineConfig | None:
        """The config that runs, or is saved, with the fields that ``response`` asks for; None if there is none."""
        pipeline = self._saved or self.running
        if pipeline is None:
            return None
        held, made = pipeline.config, p4r.ForwardingPipelineConfig()
        if response in (_Response.ALL, _Response.P4INFO_AND_COOKIE):
            made.p4info.CopyFrom(held.p4info)
        if response in (_Response.ALL, _Response.DEVICE_CONFIG_AND_COOKIE):
            made.p4_device_config = held.p4_device_config
        if held.HasField("cookie"):
            made.cookie.CopyFrom(held.cookie)
        return made

    def _commit(self, config: p4r.ForwardingPipelineConfig | None) -> None:
        if config is not None:
            raise invalid("COMMIT takes no config: it realizes the one that was saved")
        if self._saved is None:
            raise not_found("there is no saved config to commit: VERIFY_AND_SAVE one first")
        self._run(self._saved)

    def _reconcile(self, pipeline: Pipeline) -> None:
        if self.running is not None:
            try:
                _carry_over(self.running, pipeline)
            except P4Error:
                pipeline.switch.detach()
                raise
        self._run(pipeline)

    def _realize(self, config: p4r.ForwardingPipelineConfig) -> Pipeline:
        held = p4r.ForwardingPipelineConfig()
        held.CopyFrom(config)
        try:
            switch = self._plane.load(program_of(config.p4_device_config))
        except P4SwitchError as error:
            raise invalid(f"the program cannot be run: {error}") from error
        except Exception as error:  # it names what it does not have, as no compiler's does
            raise invalid(f"the program cannot be run: {error!r}") from error
        try:
            return Pipeline(held, switch)
        except P4Error:
            switch.detach()
            raise
        except Exception as error:
            switch.detach()
            raise invalid(f"the P4Info cannot be used: {error!r}") from error

    def _run(self, pipeline: Pipeline) -> None:
        self._on_run(pipeline)
        self._plane.run(pipeline.switch)
        self.running = pipeline
        if self._saved is not pipeline:
            self._forget_saved()
        self._saved = None

    def _forget_saved(self) -> None:
        if self._saved is not None:
            self._saved.switch.detach()
            self._saved = None


def program_of(device_config: bytes) -> bytes:
    """The bmv2 JSON in a device config: the bytes themselves, or those in a p4.tmp.P4DeviceConfig.

    The message is what clients sent in P4Runtime's early days; its definition is gone from the standard.
    """
    if not device_config:
        raise invalid("p4_device_config is empty; it should hold the bmv2 JSON")
    if device_config.lstrip()[:1] == b"{":
        return device_config
    data = _field(device_config, _DEVICE_DATA)
    if data is None:
        raise invalid("p4_device_config is neither a bmv2 JSON nor a p4.tmp.P4DeviceConfig")
    return data


def _field(message: bytes, wanted: int) -> bytes | None:
    """A length-delimited field of a serialized message; None if it is not there, or this is no message."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        value, place = _varint(message, place)
        if tag & 7 == 0:
            continue
        if tag & 7 != 2 or place + value > len(message):
            return None
        if tag >> 3 == wanted:
            return message[place : place + value]
        place += value
    return None


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number and where it ends; past the end of the message, zeros."""
    value = shift = 0
    while place < len(message) and shift < 64:
        octet = message[place]
        value |= (octet & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if octet < 0x80:
            break
    return value, place


def _carry_over(old: Pipeline, new: Pipeline) -> None:
    """Write into a new pipeline what the old one holds; raises P4Error INVALID_ARGUMENT if it does not fit."""
    with old.switch.lock, new.switch.lock:
        try:
            for table in new.tables.values():
                for message in table.written():
                    if not message.is_default_action:
                        table.write(DELETE, message)
            for entity in entities.everything(old):
                entities.write(new, _kind(entity), entity)
        except (P4Error, StateError) as error:
            raise invalid(f"what the running pipeline holds cannot be kept: {error}") from error
        _copy_arrays(old, new)


def _kind(entity: p4r.Entity) -> int:
    """How an entity of ``everything`` comes into a fresh pipeline."""
    always_there = ("meter_entry", "value_set_entry")
    default = entity.table_entry.is_default_action
    return MODIFY if default or entity.WhichOneof("entity") in always_there else INSERT


def _copy_arrays(old: Pipeline, new: Pipeline) -> None:
    for name, counter in old.switch.counters.items():
        held = new.switch.counters.get(name)
        if held is not None:
            _copy(counter.packets, held.packets)
            _copy(counter.bytes, held.bytes)
    for name, register in old.switch.registers.items():
        cells = new.switch.registers.get(name)
        if cells is not None and cells.definition.width >= register.definition.width:
            _copy(register.cells, cells.cells)


def _copy(source: list[int], target: list[int]) -> None:
    """In place: generated code keeps the list."""
    count = min(len(source), len(target))
    target[:count] = source[:count]
