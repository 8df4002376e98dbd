"""The generated functions: ingress with the usual egress inlined, egress for copies, reparse for clones."""

from __future__ import annotations

from topo.p4switch.compile.context import Context
from topo.p4switch.compile.hashing import Hashing
from topo.p4switch.compile.headers import Headers
from topo.p4switch.compile.parser import ParserWriter
from topo.p4switch.compile.pipeline import PipelineWriter
from topo.p4switch.compile.primitives import Primitives
from topo.p4switch.compile.values import Value
from topo.p4switch.compile.work import Instance, Work
from topo.p4switch.program.model import Checksum, Deparser
from topo.p4switch.replication import DROP_PORT

_CONTROL = ("frame", "o", "n", "PL", "PE", "TR")


class Stages:
    """Writes simple_switch's architecture around the program's parser, pipelines and deparser.

    `variables` are the items of a packet's state: `frame` (as received), `o` (first byte not parsed), `n`
    (length received), `PL` (length as headers come and go), `PE` (parser error), `TR`, then the program's own.
    """

    def __init__(
        self,
        context: Context,
        headers: Headers,
        hashing: Hashing,
        primitives: Primitives,
        parser: ParserWriter,
        pipelines: dict[str, PipelineWriter],
        deparser: Deparser,
        start_ns: int,
    ) -> None:
        """Prepare to write the functions; timestamps count from `start_ns`."""
        self._c = context
        self._headers = headers
        self._hashing = hashing
        self._primitives = primitives
        self._parser = parser
        self._pipelines = pipelines
        self._deparser = deparser
        self._start_ns = start_ns
        self.variables = [*_CONTROL, *context.names.all]

    def write(self) -> None:
        """Write the three functions."""
        writer = self._c.writer
        with writer.block("def ingress(frame, port, now, kept, out, work):"):
            self._begin("port")
            if self._c.names.metadata:
                with writer.block("if kept is not None:"):
                    writer.line(f"{', '.join(self._c.names.metadata)}, = kept")
            self._set("standard_metadata.packet_length", "n")
            self._set("intrinsic_metadata.ingress_global_timestamp", self._timestamp())
            self._parse()
            self._pipelines["ingress"].write()
            self._after_ingress()
            self._egress()
        with writer.block("def egress(state, port, rid, now, out, work):"):
            self._flags()
            writer.line(f"{', '.join(self.variables)} = state")
            rid = self._c.names.architecture("intrinsic_metadata.egress_rid")
            if rid is not None:
                with writer.block("if rid is not None:"):
                    writer.line(f"{rid} = rid")
            self._egress()
        with writer.block("def reparse(frame, port):"):
            self._begin("port")
            self._parse()
            writer.line(f"return ({', '.join(self.variables)})")

    def _begin(self, port: str) -> None:
        """All variables as before parsing."""
        writer, names = self._c.writer, self._c.names
        writer.line("n = PL = len(frame)")
        self._flags()
        by_value: dict[str, list[str]] = {}
        for name in names.all:
            by_value.setdefault(names.initial[name], []).append(name)
        for value, group in by_value.items():
            for start in range(0, len(group), 20):
                writer.line(f"{' = '.join(group[start : start + 20])} = {value}")
        self._set("standard_metadata.ingress_port", port)

    def _flags(self) -> None:
        self._c.writer.line("CI = CE = RS = RC = LI = 0")
        self._c.writer.line("TR = -1")

    def _set(self, name: str, text: str) -> None:
        """Set an intrinsic field, where the program has a use for it."""
        field = self._c.names.architecture(name)
        if field is not None:
            self._c.writer.line(f"{field} = {text}")

    def _timestamp(self) -> str:
        """Microseconds since the switch started, as the 48-bit fields hold them."""
        return f"(now - {self._start_ns}) // 1000 & 0xffffffffffff"

    def _parse(self) -> None:
        self._parser.write()
        self._set("standard_metadata.parser_error", "PE")
        verified = [c for c in self._c.program.checksums if c.verify]
        if not verified:
            return
        error = self._c.names.architecture("standard_metadata.checksum_error")
        if error is None:
            return
        self._c.writer.line(f"{error} = 0")
        for checksum in verified:
            self._verify(checksum, error)

    def _verify(self, checksum: Checksum, error: str) -> None:
        names, writer = self._c.names, self._c.writer
        condition = "True" if checksum.condition is None else self._c.exprs.condition(checksum.condition)
        with writer.block(f"if {names.valid(checksum.target.header)} and {condition}:"):
            self._hashing.calculate(checksum.calculation, "_c", "frame[o:]")
            with writer.block(f"if _c != {names.field(checksum.target.header, checksum.target.field)}:"):
                writer.line(f"{error} = 1")
                self._c.trace("checksum", checksum.name, "'wrong'")

    def _state(self) -> str:
        return f"({', '.join(self.variables)})"

    def _after_ingress(self) -> None:
        """Clone, digest, resubmit, replicate or drop; what goes on is for `port`."""
        names, writer, ops = self._c.names, self._c.writer, self._c.names.usage.ops
        spec = names.architecture("standard_metadata.egress_spec")
        if "clone_ingress_pkt_to_egress" in ops:
            with writer.block("if CI:"):
                writer.line(
                    f"work.append(({Work.CLONE_INGRESS:d}, frame, port, {self._state()}, CI[0], CI[1]))"
                )
        if "generate_digest" in ops:
            self._digests()
        if "resubmit" in ops:
            with writer.block("if RS:"):
                writer.line(
                    f"work.append(({Work.INGRESS:d}, frame, port, {Instance.RESUBMITTED:d}, {self._state()}, RS))"
                )
                writer.line("return")
        group = names.architecture("intrinsic_metadata.mcast_grp")
        if group is not None:
            with writer.block(f"if {group}:"):
                self._set("standard_metadata.instance_type", f"{Instance.REPLICATION:d}")
                writer.line(f"work.append(({Work.MULTICAST:d}, {self._state()}, {group}))")
                writer.line("return")
        with writer.block(f"if {spec} == {DROP_PORT}:"):
            self._c.trace("drop", "end of ingress")
            writer.line("return")
        self._set("standard_metadata.instance_type", f"{Instance.NORMAL:d}")
        # A copy that waits goes out first, as from bmv2's queues.
        with writer.block("if work:"):
            writer.line(f"work.append(({Work.EGRESS:d}, {self._state()}, {spec}, None))")
            writer.line("return")
        writer.line(f"port = {spec}")

    def _digests(self) -> None:
        writer = self._c.writer
        sink = writer.bind("L", self._c.switch)
        with writer.block(f"if LI and {sink}.digest_sink is not None:"):
            for learn in self._c.program.learn_lists.values():
                values = []
                for element, width in zip(learn.elements, learn.widths, strict=True):
                    number = self._c.exprs.number(element)
                    values.append(
                        f"{number.text} & {(1 << width) - 1:#x}"
                        if number.low is None or number.low < 0
                        else number.text
                    )
                with writer.block(f"if LI == {learn.id}:"):
                    text = "".join(f"{v}, " for v in values)
                    writer.line(f"{sink}.digest({learn.id}, {learn.name!r}, ({text}), now)")

    def _egress(self) -> None:
        """Egress pipeline, clones, checksums, deparser, recirculation, transmission."""
        names, writer, ops = self._c.names, self._c.writer, self._c.names.usage.ops
        spec = names.architecture("standard_metadata.egress_spec")
        self._c.trace("egress", "begin", "port")
        self._set("intrinsic_metadata.egress_global_timestamp", self._timestamp())
        self._set("queueing_metadata.enq_timestamp", f"{self._timestamp()} & 0xffffffff")
        self._set("standard_metadata.egress_port", "port")
        writer.line(f"{spec} = {DROP_PORT + 1}")
        self._set("standard_metadata.packet_length", "PL")
        self._pipelines["egress"].write()
        if "clone_egress_pkt_to_egress" in ops:
            with writer.block("if CE:"):
                writer.line(f"work.append(({Work.CLONE_EGRESS:d}, {self._state()}, CE[0], CE[1]))")
        with writer.block(f"if {spec} == {DROP_PORT}:"):
            self._c.trace("drop", "end of egress")
            writer.line("return")
        for checksum in self._c.program.checksums:
            if checksum.update:
                self._update(checksum)
        for call in self._deparser.calls:
            self._primitives.call(call)
        self._deparse()
        if ops & {"truncate", "clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress"}:
            with writer.block("if TR >= 0:"):
                writer.line("_b = _b[:TR]")
        if "recirculate" in ops:
            with writer.block("if RC:"):
                writer.line(
                    f"work.append(({Work.INGRESS:d}, _b, port, {Instance.RECIRCULATED:d}, {self._state()}, RC))"
                )
                writer.line("return")
        self._c.trace("transmit", "packet", "port", "_b")
        writer.line("out.append((port, _b))")

    def _update(self, checksum: Checksum) -> None:
        names, writer = self._c.names, self._c.writer
        condition = "True" if checksum.condition is None else self._c.exprs.condition(checksum.condition)
        with writer.block(f"if {condition}:"):
            self._hashing.calculate(checksum.calculation, "_c", "frame[o:]")
            with writer.block(f"if _c != {names.field(checksum.target.header, checksum.target.field)}:"):
                self._primitives.assign(checksum.target, Value("_c", 0, None))

    def _deparse(self) -> None:
        names, writer = self._c.names, self._c.writer
        order = [h for h in self._deparser.order if not self._c.program.headers[h].metadata]
        if not order:
            writer.line("_b = frame[o:]")
            return
        writer.line("_d = []")
        for header in order:
            with writer.block(f"if {names.valid(header)}:"):
                writer.line(f"_d.append({self._headers.emit(header)})")
        writer.line("_d.append(frame[o:])")
        writer.line("_b = b''.join(_d)")
