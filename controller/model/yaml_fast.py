"""YAML by libyaml, where it is there: a file of 15,000 lines in a fraction of a second instead of six.

Only what both parsers read alike is read here. Whatever is wrong, or of YAML 1.1 alone, is left to ruamel, which says
it better and is the one that decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.resolver import VersionedResolver

try:
    from yaml import YAMLError
    from yaml.cyaml import CParser
except ImportError:  # PyYAML is there without libyaml
    CParser = None

_STR = "tag:yaml.org,2002:str"
_RESOLVER = VersionedResolver()
_OTHER = ("\n%", "!", "|", ">", "\ufeff", "\x85", "\u2028", "\u2029", "\t")
"""Directives, tags, block scalars, and breaks and blanks about which versions of YAML differ."""


DEEPEST = 32
"""Nodes in each other that are composed here."""


def fast_root(text: str) -> Node | None:
    """The root of the only document of a text, its scalars resolved as in YAML 1.2; None: ask ruamel."""
    if CParser is None or text.startswith("%") or any(each in text for each in _OTHER):
        return None
    parser = _parser()(text)
    try:
        return cast(Node | None, parser.get_single_node())
    except (YAMLError, RecursionError, ValueError):
        return None
    finally:
        parser.dispose()


@lru_cache(maxsize=1)
def _parser() -> Any:
    class Parser(CParser):  # type: ignore[misc]
        """Composes nodes; what a plain scalar means is looked up once for each text."""

        depth = 0

        def descend_resolver(self, parent: object, index: object) -> None:
            """No meaning depends on the place. What stands too deep is for the one that says so: ValueError."""
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError("too deep")

        def ascend_resolver(self) -> None:
            """Back up."""
            self.depth -= 1

        def resolve(self, kind: type, value: str, implicit: Any) -> str:
            """The tag of a node that has none. An empty value has another place for ruamel: ValueError."""
            if kind.__name__ == "ScalarNode":
                if implicit[0] and not value:
                    raise ValueError("an empty value")
                return _tag(value) if implicit[0] else _STR
            return "tag:yaml.org,2002:map" if kind.__name__ == "MappingNode" else "tag:yaml.org,2002:seq"

    return Parser


@lru_cache(maxsize=1 << 16)
def _tag(value: str) -> str:
    return str(_RESOLVER.resolve(ScalarNode, value, (True, False)))
