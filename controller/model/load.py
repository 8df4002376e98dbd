"""From a file or a text to a validated intent, or to everything that is wrong with it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from controller.model.check import check_intent
from controller.model.errors import ConfigErrors
from controller.model.reader import Place, Source
from controller.model.schema import read_intent
from controller.model.units import Wrong
from controller.model.yaml_source import Tree, parse, read_text
from controller.spec.types import Intent


def load_intent(path: Path) -> Intent:
    """The intent in a YAML file, defaults filled in; raises ``ConfigErrors`` with every error of the file."""
    return load_text(read_text(path), str(path))


def digest_of(text: str) -> str:
    """SHA-256 of a text's bytes in UTF-8, in hexadecimal: of a file what ``sha256sum`` prints."""
    return sha256(text.encode("utf-8")).hexdigest()


def load_text(text: str, name: str) -> Intent:
    """The intent in a YAML text; ``name`` stands for the file in messages. Raises ``ConfigErrors``."""
    tree, errors = parse(text, name)
    return load_tree(tree, Source(name, errors))


def load_tree(tree: Tree, source: Source) -> Intent:
    """The intent in a tree. ``source``: what is known of it besides. Raises ``ConfigErrors``."""
    place = Place(source, tree, (), "the file")
    try:
        intent = read_intent(place)
    except Wrong as wrong:
        place.fail(wrong.problem, wrong.right)
        intent = None
    if intent is not None:
        check_intent(intent, source)
    if intent is None or source.errors:
        raise ConfigErrors(source.errors)
    return intent
