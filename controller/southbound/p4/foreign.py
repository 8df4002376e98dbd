"""What can be read of a switch that runs another program than ours: its pins, if that program keeps them as ours does.

Names, widths and actions of table ``pin`` are compared, not its numbers: an older or newer version of our program is
read through the P4Info that the switch itself shows. All else is its own, and gone with the push.
"""

from __future__ import annotations

from finsy.proto import p4i, p4r
from google.protobuf.message import DecodeError

from controller.southbound.errors import SwitchError, SwitchGone, SwitchTimeout
from controller.southbound.p4 import pipeline as p4pipeline
from controller.southbound.p4.channel import P4Channel
from controller.southbound.p4.pipeline import Pipeline
from controller.southbound.p4.read import entry_key
from p4src.target import EntryBody, EntryKey, P4Target

_PIN = "pin"


async def pins_of(
    channel: P4Channel, device_id: int, running: p4r.ForwardingPipelineConfig, ours: Pipeline
) -> P4Target | None:
    """The pins that a switch holds and nothing else; None: it keeps none that we understand.

    ``running``: P4Info of its program. Raises SwitchGone, SwitchTimeout.
    """
    shape = _shape(running.p4info)
    if shape is None or shape != _shape(ours.config.p4info):
        return None
    only = p4r.ForwardingPipelineConfig()
    only.p4info.tables.extend(t for t in running.p4info.tables if t.preamble.alias == _PIN)
    only.p4info.actions.extend(running.p4info.actions)
    request = p4r.ReadRequest(device_id=device_id)
    try:
        theirs = p4pipeline.of(only)
        request.entities.add().table_entry.table_id = theirs.tables[_PIN].id
        answers = await channel.read(request.SerializeToString())
        return P4Target(dict(_entry(theirs, entity.table_entry) for entity in _entities(answers)))
    except (SwitchGone, SwitchTimeout):
        raise
    except (SwitchError, ValueError, LookupError, DecodeError):
        return None


def _shape(info: p4i.P4Info) -> object:
    """What two programs must have in common for the pins of one to mean the same to the other."""
    table = next((t for t in info.tables if t.preamble.alias == _PIN), None)
    if table is None:
        return None
    actions = {a.preamble.id: a for a in info.actions}
    fields = [(f.name, f.bitwidth, f.match_type) for f in table.match_fields]
    used = [actions[ref.id] for ref in table.action_refs if ref.id in actions]
    return fields, sorted((a.preamble.alias, [(p.name, p.bitwidth) for p in a.params]) for a in used)


def _entities(answers: list[bytes]) -> list[p4r.Entity]:
    return [entity for answer in answers for entity in p4r.ReadResponse.FromString(answer).entities]


def _entry(theirs: Pipeline, entry: p4r.TableEntry) -> tuple[EntryKey, EntryBody]:
    key = entry_key(theirs, entry)
    if key is None:
        raise ValueError(f"entry of table {entry.table_id:#x}, which was not asked for")
    action = theirs.actions_by_id[entry.action.action.action_id]
    values = {p.param_id: int.from_bytes(p.value, "big") for p in entry.action.action.params}
    return key, EntryBody(action.name, tuple(values[number] for number in action.params))
