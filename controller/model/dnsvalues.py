"""Values of DNS as the intent writes them: names, texts, lifetimes. Each converter gives what is kept."""

from __future__ import annotations

import re
from collections.abc import Callable

from controller.model import fields as f
from controller.model.reader import Place, shortened
from controller.model.units import Wrong, parse_address
from controller.spec.names import APEX, RecordType

LONGEST_NAME, LONGEST_TTL = 253, 7 * 86400
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*|{_LABEL})(?:\.{_LABEL})*\.?")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CONTACT = re.compile(rf"[a-z0-9][a-z0-9_+-]{{0,62}}(?:@({_LABEL}(?:\.{_LABEL})+))?")
_SRV_NAME = re.compile(r"_[a-z0-9-]{1,62}\._[a-z]{1,15}")
_DS = re.compile(r"([0-9]{1,5}) ([0-9]{1,3}) ([0-9]{1,3}) ([0-9a-f]{40,128})")
_ALPN = re.compile(r"[A-Za-z0-9./-]{1,32}")
_RIGHT = "write labels of letters, digits, - and _ with dots between, 63 characters each and 253 in all"


def _named(text: str, right: str) -> str:
    found = text.strip().lower()
    if _NAME.fullmatch(found) is None or len(found.rstrip(".")) > LONGEST_NAME:
        raise Wrong(f'is "{shortened(text)}", which is no name of the DNS', right)
    return found


def name(place: Place) -> str:
    """Name of the DNS, relative to the zone unless it ends with a dot; ``@`` is the zone."""
    text = f.text(place)
    return APEX if text.strip() == APEX else _named(text, f"{_RIGHT}, or @ for the zone itself")


def zone_name(place: Place) -> str:
    """Name of the DNS, of two labels or more."""
    found = _named(f.text(place), "write such as example.net").rstrip(".")
    if "." not in found or "*" in found:
        raise Wrong(f'is "{found}", which is no zone that can be served here', "write such as example.net")
    return found


def contact(place: Place) -> str:
    """Mailbox: ``NAME`` (in the zone) or ``NAME@DOMAIN``."""
    found = f.text(place).strip().lower()
    if _CONTACT.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', "write such as hostmaster or hostmaster@example.net")
    return found


def label(text: str) -> bool:
    """Whether a text can be one label of a host's name."""
    return _HOST.fullmatch(text) is not None


def ttl(place: Place) -> int:
    """Duration in whole seconds, 0s to 168h."""
    found = f.duration(0, LONGEST_TTL)(place)
    if found != int(found):
        raise Wrong(f"is {found:g} s", "write whole seconds, which is what DNS has")
    return int(found)


def answers(place: Place) -> int | None:
    """Whole number, 1 to 32, or ``all``."""
    right = "write a whole number from 1 to 32, or all"
    scalar = place.scalar(right)
    if scalar.text == "all":
        return None
    if re.fullmatch("[0-9]{1,2}", scalar.text) is None or not 1 <= int(scalar.text) <= 32:
        raise Wrong(f"is {scalar}", right)
    return int(scalar.text)


def srv_name(place: Place) -> str:
    """``_SERVICE._PROTOCOL``."""
    found = f.text(place).strip().lower()
    if _SRV_NAME.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', "write such as _https._tcp")
    return found


def alpn(place: Place) -> str:
    """Name of a protocol, as TLS has it."""
    found = f.text(place)
    if _ALPN.fullmatch(found) is None:
        raise Wrong(f'is "{shortened(found)}"', "write such as h2, h3 or http/1.1")
    return found


def digest(place: Place) -> str:
    """Digest of a key, ``TAG ALGORITHM DIGEST-TYPE DIGEST``."""
    found = " ".join(f.text(place).lower().split())
    match = _DS.fullmatch(found)
    if match is None or int(match[1]) > 65535 or max(int(match[2]), int(match[3])) > 255:
        raise Wrong(f'is "{shortened(found)}"', 'write such as "12345 13 2 0a1b..." (DS in hex digits)')
    return f"{match[1]} {match[2]} {match[3]} {match[4].upper()}"


def value_of(kind: RecordType, text: str) -> str:
    """The canonical text of one value of a record. Raises ``Wrong``."""
    return _VALUES[kind](text)


def _address(version: int) -> Callable[[str], str]:
    def convert(text: str) -> str:
        found = parse_address(text)
        if found.version != version:
            raise Wrong(f'is "{text}"', f"write an IPv{version} address")
        return str(found)

    return convert


def _target(text: str) -> str:
    found = text.strip()
    if found == APEX:
        return APEX
    if "*" in found:
        raise Wrong(f'is "{shortened(found)}"', "write the name of a host")
    return _named(found, _RIGHT)


def _mx(text: str) -> str:
    numbers, target = _numbers(text, 1, "write PREFERENCE NAME, such as 10 mail")
    return f"{numbers} {_target(target)}"


def _srv(text: str) -> str:
    numbers, target = _numbers(text, 3, "write PRIORITY WEIGHT PORT NAME, such as 0 1 443 host")
    return f"{numbers} {_target(target)}"


def _numbers(text: str, count: int, right: str) -> tuple[str, str]:
    words = text.split()
    if len(words) != count + 1 or not all(re.fullmatch("[0-9]{1,5}", each) for each in words[:-1]):
        raise Wrong(f'is "{shortened(text)}"', right)
    if any(int(each) > 65535 for each in words[:-1]):
        raise Wrong(f'is "{shortened(text)}", with a number above 65535', right)
    return " ".join(str(int(each)) for each in words[:-1]), words[-1]


def _text(text: str) -> str:
    if not text.isascii() or not text.isprintable() or len(text) > 4000:
        raise Wrong(f'is "{shortened(text)}"', "write printable ASCII, at most 4000 characters")
    return text


_VALUES: dict[RecordType, Callable[[str], str]] = {
    RecordType.A: _address(4),
    RecordType.AAAA: _address(6),
    RecordType.CNAME: _target,
    RecordType.TXT: _text,
    RecordType.MX: _mx,
    RecordType.SRV: _srv,
}
