"""Routes of a tier: as conditions of HAProxy, and which pool a request gets and why. Pure.

The second is the reference of the first: tests send the same requests to a real HAProxy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.spec import tier as t


@dataclass(frozen=True)
class Request:
    """What routes look at."""

    host: str = ""
    """Without port."""
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


def conditions(mode: t.ProxyMode, route: t.TierRoute) -> str:
    """What has to hold, in HAProxy's words."""
    name = "req.hdr(host),host_only" if mode is t.ProxyMode.HTTP else "req.ssl_sni"
    found = [_one_of(name, route.hosts, "-i", "*.", at_end=True)] if route.hosts else []
    if route.paths:
        found.append(_one_of("path", route.paths, "", "*", at_end=False))
    found += [f"{{ req.hdr({each.name}) -m str -- '{each.value}' }}" for each in route.headers]
    found += [f"{{ req.cook({each.name}) -m str -- '{each.value}' }}" for each in route.cookies]
    return " ".join(found)


def _one_of(what: str, patterns: Sequence[str], flags: str, star: str, at_end: bool) -> str:
    """One condition for a list in which some have a star: a regular expression where there are both kinds."""
    whole = [each for each in patterns if not _starred(each, star, at_end)]
    parts = [each[1:] if at_end else each[:-1] for each in patterns if _starred(each, star, at_end)]
    flags = f"{flags} " if flags else ""
    if not parts:
        return f"{{ {what} -m str {flags}-- {_quoted(whole)} }}"
    if not whole:
        return f"{{ {what} -m {'end' if at_end else 'beg'} {flags}-- {_quoted(parts)} }}"
    tails = [f"{_escaped(each)}$" if at_end else f"^{_escaped(each)}" for each in parts]
    exact = [f"^{_escaped(each)}$" for each in whole]
    return f"{{ {what} -m reg {flags}-- {_quoted([*exact, *tails])} }}"


def _starred(pattern: str, star: str, at_end: bool) -> bool:
    return pattern.startswith(star) if at_end else pattern.endswith(star)


def _quoted(patterns: Sequence[str]) -> str:
    return " ".join(f"'{each}'" for each in patterns)


def _escaped(text: str) -> str:
    return "".join(each if each.isalnum() or each in "/_-~%!&,;=:@" else f"[{each}]" for each in text)


def chosen(frontend: t.Frontend, request: Request) -> tuple[str | None, str]:
    """The pool that a request gets, and why; None: none."""
    for number, route in enumerate(frontend.routes):
        if matches(route, request):
            return route.pool, f"routes[{number}] matches"
    return frontend.pool, "no route matches" if frontend.routes else "there is no route"


def matches(route: t.TierRoute, request: Request) -> bool:
    """Whether all that a route asks for holds."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return (
        (not route.hosts or any(_host(each, request.host.lower()) for each in route.hosts))
        and (not route.paths or any(_path(each, request.path.partition("?")[0]) for each in route.paths))
        and all(each.value in _values(headers.get(each.name.lower())) for each in route.headers)
        and all(request.cookies.get(each.name) == each.value for each in route.cookies)
    )


def _host(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _values(header: str | None) -> list[str]:
    return [] if header is None else [each.strip() for each in header.split(",")]
