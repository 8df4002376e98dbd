"""Meter configurations: MeterConfig messages to the data plane's rates and back."""

from __future__ import annotations

from finsy.proto import p4i, p4r

from topo.p4switch.runtime.errors import invalid, unimplemented
from topo.p4switch.state import MeterConfig as Config

__all__ = ["Config", "config", "message"]

_Type = p4i.MeterSpec.Type


def config(wanted: p4r.MeterConfig, spec: p4i.MeterSpec, what: str) -> Config:
    """Rates and bursts, the committed ones first; raises P4Error where the meter's type does not allow them."""
    values = (wanted.cir, wanted.cburst, wanted.pir, wanted.pburst, wanted.eburst)
    if min(values) < 0:
        raise invalid(f"{what}: rates and bursts cannot be negative: {values}")
    single = spec.type in (_Type.SINGLE_RATE_THREE_COLOR, _Type.SINGLE_RATE_TWO_COLOR)
    if single and (wanted.pir, wanted.pburst) != (wanted.cir, wanted.cburst):
        raise invalid(f"{what}: a single-rate meter needs pir = cir and pburst = cburst")
    if wanted.eburst and spec.type == _Type.SINGLE_RATE_THREE_COLOR:
        raise unimplemented(f"{what}: an excess burst is not supported")
    if wanted.eburst:
        raise invalid(f"{what}: eburst is for single-rate three-color meters only")
    if wanted.cir > wanted.pir:
        raise invalid(f"{what}: the committed rate {wanted.cir} is above the peak rate {wanted.pir}")
    return ((wanted.cir, wanted.cburst), (wanted.pir, wanted.pburst))


def message(held: Config) -> p4r.MeterConfig:
    """The message that ``config`` made this configuration of."""
    (cir, cburst), (pir, pburst) = held
    return p4r.MeterConfig(cir=int(cir), cburst=cburst, pir=int(pir), pburst=pburst)
