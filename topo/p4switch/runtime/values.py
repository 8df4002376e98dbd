"""Byte strings and P4Data: numbers of the data plane as P4Runtime writes them, and back.

The data plane holds every value as an unsigned number of its width; int<W> in two's complement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from finsy.proto import p4d, p4i, p4t

from topo.p4switch.runtime.errors import P4Error, invalid, out_of_range, unimplemented

Encoder = Callable[[Iterator[int]], p4d.P4Data]
Decoder = Callable[[p4d.P4Data], list[int]]

_SMALL = [number.to_bytes(1 if number < 256 else 2, "big") for number in range(65536)]


def canonical(value: int) -> bytes:
    """The shortest byte string of an unsigned number."""
    if value < 65536:
        return _SMALL[value]
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def unsigned(data: bytes, width: int, what: str) -> int:
    """The number in a byte string; raises P4Error OUT_OF_RANGE if it is empty or needs more than ``width`` bits."""
    value = int.from_bytes(data, "big")
    if value >> width or not data:
        raise misfit(data, width, what)
    return value


def misfit(data: bytes, width: int, what: str) -> P4Error:
    """Why a byte string is no value of ``width`` bits."""
    if not data:
        return out_of_range(f"{what}: an empty byte string is no value; zero is one zero byte")
    return out_of_range(f"{what}: 0x{data.hex()} does not fit {width} bits")


def canonical_signed(value: int, width: int) -> bytes:
    """The shortest two's complement byte string of an int<width> that is held as an unsigned number."""
    signed = value - (1 << width) if value >> (width - 1) else value
    bits = (signed if signed >= 0 else ~signed).bit_length() + 1
    return signed.to_bytes((bits + 7) // 8, "big", signed=True)


def signed(data: bytes, width: int, what: str) -> int:
    """The unsigned form of an int<width>; raises P4Error OUT_OF_RANGE like ``unsigned``."""
    if not data:
        raise misfit(data, width, what)
    value = int.from_bytes(data, "big", signed=True)
    if not -(1 << (width - 1)) <= value < 1 << (width - 1):
        raise misfit(data, width, what)
    return value & ((1 << width) - 1)


class DataType:
    """A P4DataTypeSpec, turned once into an encoder and a decoder of its leaves.

    ``encode`` takes the leaves' values in declaration order; ``decode`` gives them back and raises P4Error if the
    data has another shape than the type.
    """

    def __init__(self, spec: p4t.P4DataTypeSpec, types: p4t.P4TypeInfo, what: str) -> None:
        """Raises P4Error UNIMPLEMENTED for types that v1model neither keeps in registers nor sends in digests."""
        self._encode, self._decode = _compile(spec, types, what)

    def encode(self, leaves: list[int]) -> p4d.P4Data:
        """P4Data of these leaves."""
        return self._encode(iter(leaves))

    def decode(self, data: p4d.P4Data) -> list[int]:
        """The leaves of this P4Data."""
        return self._decode(data)


def _compile(spec: p4t.P4DataTypeSpec, types: p4t.P4TypeInfo, what: str) -> tuple[Encoder, Decoder]:
    kind = spec.WhichOneof("type_spec")
    if kind == "bitstring":
        return _bitstring(spec.bitstring, what)
    if kind == "bool":
        return _boolean(what)
    if kind == "tuple":
        return _members("tuple", [_compile(one, types, what) for one in spec.tuple.members], what)
    if kind == "struct":
        members = types.structs[spec.struct.name].members
        parts = [_compile(one.type_spec, types, f"{what}.{one.name}") for one in members]
        return _members("struct", parts, what)
    if kind == "header":
        return _header(types.headers[spec.header.name], what)
    if kind == "serializable_enum":
        return _enum_value(
            types.serializable_enums[spec.serializable_enum.name].underlying_type.bitwidth, what
        )
    if kind in ("enum", "error"):
        return _named(kind, types, spec.enum.name, what)
    if kind == "new_type":
        return _new_type(types.new_types[spec.new_type.name], types, what)
    raise unimplemented(f"{what}: values of type {kind} are not supported")


def _new_type(spec: p4t.P4NewTypeSpec, types: p4t.P4TypeInfo, what: str) -> tuple[Encoder, Decoder]:
    if spec.HasField("original_type"):
        return _compile(spec.original_type, types, what)
    if spec.translated_type.HasField("sdn_string"):
        raise unimplemented(f"{what}: translation to strings is not supported")
    bits = p4t.P4BitstringLikeTypeSpec(bit=p4t.P4BitTypeSpec(bitwidth=spec.translated_type.sdn_bitwidth))
    return _bitstring(bits, what)


def _bitstring(spec: p4t.P4BitstringLikeTypeSpec, what: str) -> tuple[Encoder, Decoder]:
    if spec.HasField("int"):
        width = spec.int.bitwidth

        def encode_signed(leaves: Iterator[int]) -> p4d.P4Data:
            return p4d.P4Data(bitstring=canonical_signed(next(leaves), width))

        def decode_signed(data: p4d.P4Data) -> list[int]:
            _expect(data, "bitstring", what)
            return [signed(data.bitstring, width, what)]

        return encode_signed, decode_signed
    if spec.HasField("varbit"):
        raise unimplemented(f"{what}: values of variable length are not supported")
    width = spec.bit.bitwidth

    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        return p4d.P4Data(bitstring=canonical(next(leaves)))

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, "bitstring", what)
        return [unsigned(data.bitstring, width, what)]

    return encode, decode


def _boolean(what: str) -> tuple[Encoder, Decoder]:
    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        return p4d.P4Data(bool=bool(next(leaves)))

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, "bool", what)
        return [int(data.bool)]

    return encode, decode


def _enum_value(width: int, what: str) -> tuple[Encoder, Decoder]:
    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        return p4d.P4Data(enum_value=canonical(next(leaves)))

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, "enum_value", what)
        return [unsigned(data.enum_value, width, what)]

    return encode, decode


def _named(kind: str, types: p4t.P4TypeInfo, name: str, what: str) -> tuple[Encoder, Decoder]:
    """Enums and errors: numbered in declaration order in the data plane, spelled out to the controller."""
    names = list(types.error.members) if kind == "error" else [one.name for one in types.enums[name].members]

    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        value = next(leaves)
        text = names[value] if value < len(names) else ""
        return p4d.P4Data(error=text) if kind == "error" else p4d.P4Data(enum=text)

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, kind, what)
        text = data.error if kind == "error" else data.enum
        if text not in names:
            raise invalid(f"{what}: {text!r} is none of {', '.join(names)}")
        return [names.index(text)]

    return encode, decode


def _members(kind: str, parts: list[tuple[Encoder, Decoder]], what: str) -> tuple[Encoder, Decoder]:
    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        members = p4d.P4StructLike(members=[part(leaves) for part, _ in parts])
        return p4d.P4Data(tuple=members) if kind == "tuple" else p4d.P4Data(struct=members)

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, kind, what)
        members = data.tuple.members if kind == "tuple" else data.struct.members
        if len(members) != len(parts):
            raise invalid(f"{what}: {len(members)} members, the type has {len(parts)}")
        return [leaf for (_, part), member in zip(parts, members, strict=True) for leaf in part(member)]

    return encode, decode


def _header(spec: p4t.P4HeaderTypeSpec, what: str) -> tuple[Encoder, Decoder]:
    """A valid header: its validity is no leaf."""
    parts = [_bitstring(one.type_spec, f"{what}.{one.name}") for one in spec.members]

    def encode(leaves: Iterator[int]) -> p4d.P4Data:
        strings = [part(leaves).bitstring for part, _ in parts]
        return p4d.P4Data(header=p4d.P4Header(is_valid=True, bitstrings=strings))

    def decode(data: p4d.P4Data) -> list[int]:
        _expect(data, "header", what)
        if not data.header.is_valid or len(data.header.bitstrings) != len(parts):
            raise invalid(f"{what}: needs a valid header of {len(parts)} fields")
        pairs = zip(parts, data.header.bitstrings, strict=True)
        return [leaf for (_, part), text in pairs for leaf in part(p4d.P4Data(bitstring=text))]

    return encode, decode


def _expect(data: p4d.P4Data, kind: str, what: str) -> None:
    found = data.WhichOneof("data")
    if found != kind:
        raise invalid(f"{what}: data is {found or 'unset'}, the type is {kind}")


def bits_of(info: p4i.P4Info, type_name: str, bitwidth: int) -> int:
    """Width of a match field, parameter or packet metadata; with a translated type, that of its SDN form.

    Raises P4Error UNIMPLEMENTED for translation to strings.
    """
    if not type_name or type_name not in info.type_info.new_types:
        return bitwidth
    spec = info.type_info.new_types[type_name]
    if spec.translated_type.HasField("sdn_string"):
        raise unimplemented(f"{type_name}: translation to strings is not supported")
    return bitwidth or spec.translated_type.sdn_bitwidth
