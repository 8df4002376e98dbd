"""Actions with their parameters: Action messages to the data plane's calls and back."""

from __future__ import annotations

from collections.abc import Iterable

from finsy.proto import p4i, p4r

from topo.p4switch.program.model import ActionCall
from topo.p4switch.runtime.errors import invalid
from topo.p4switch.runtime.values import bits_of, canonical, unsigned

_REMEMBERED = 4096
"""Calls that one action remembers."""


class ActionCodec:
    """One action of P4Info as one table knows it in the program.

    The compiler copies an action for each table that uses it, so one P4Info id stands for several program ids.
    """

    def __init__(self, info: p4i.P4Info, action: p4i.Action, program_id: int) -> None:
        """``program_id``: the id that the data plane runs; raises P4Error for parameters of untold width."""
        self.id = action.preamble.id
        self.name = action.preamble.name
        self.program_id = program_id
        self._params = tuple(
            (param.id, bits_of(info, param.type_name.name, param.bitwidth), param.name)
            for param in action.params
        )

        self._calls: dict[tuple[int | bytes, ...], ActionCall] = {}
        self._messages: dict[tuple[int, ...], p4r.Action] = {}

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each parameter."""
        return tuple(width for _, width, _ in self._params)

    def call(self, action: p4r.Action) -> ActionCall:
        """What the data plane runs; raises P4Error INVALID_ARGUMENT or OUT_OF_RANGE.

        Calls are remembered by their bytes and shared: thousands of entries name the same few backends.
        """
        given: list[int | bytes] = []
        for one in action.params:
            given.append(one.param_id)
            given.append(one.value)
        memo = tuple(given)
        call = self._calls.get(memo)
        if call is None:
            call = self._checked(action)
            if len(self._calls) >= _REMEMBERED:
                self._calls.clear()
            self._calls[memo] = call
        return call

    def message(self, params: tuple[int, ...]) -> p4r.Action:
        """The Action message of these values, which is shared: copy it."""
        made = self._messages.get(params)
        if made is None:
            pairs = zip(self._params, params, strict=True)
            made = p4r.Action(
                action_id=self.id,
                params=[
                    p4r.Action.Param(param_id=param_id, value=canonical(value))
                    for (param_id, _, _), value in pairs
                ],
            )
            if len(self._messages) >= _REMEMBERED:
                self._messages.clear()
            self._messages[params] = made
        return made

    def _checked(self, action: p4r.Action) -> ActionCall:
        """As ``call``, for parameters in any order; says what is wrong."""
        given: dict[int, bytes] = {}
        known = {param_id for param_id, _, _ in self._params}
        for param in action.params:
            if param.param_id not in known:
                raise invalid(
                    f"action {self.name} has no parameter {param.param_id}; it has {self._listed()}"
                )
            if param.param_id in given:
                raise invalid(f"action {self.name}: parameter {param.param_id} is given twice")
            given[param.param_id] = param.value
        missing = [name for param_id, _, name in self._params if param_id not in given]
        if missing:
            raise invalid(f"action {self.name} needs parameters that are missing: {', '.join(missing)}")
        return ActionCall(
            self.program_id,
            tuple(
                unsigned(given[param_id], width, f"action {self.name}: parameter {name}")
                for param_id, width, name in self._params
            ),
        )

    def _listed(self) -> str:
        return ", ".join(f"{param_id} ({name})" for param_id, _, name in self._params) or "none"


def find(codecs: dict[int, ActionCodec], action: p4r.Action, what: str) -> ActionCodec:
    """The codec of an action; raises P4Error INVALID_ARGUMENT if ``what`` may not run it."""
    codec = codecs.get(action.action_id)
    if codec is None:
        raise invalid(f"{what} has no action {action.action_id}; it has {listed(codecs.values())}")
    return codec


def listed(codecs: Iterable[ActionCodec]) -> str:
    """Ids and names, for errors."""
    return ", ".join(f"{codec.id} ({codec.name})" for codec in codecs) or "none"
