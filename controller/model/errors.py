"""The errors of a configuration file: each names place, what is wrong and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class ConfigError(Exception):
    """One thing wrong in one place of one file.

    ``line`` and ``col`` count from 1; ``line`` 0 means the file as a whole (it cannot be read).
    ``str()`` gives ``FILE:LINE:COL: message, hint``.
    """

    def __init__(self, file: str, line: int, col: int, message: str, hint: str) -> None:
        super().__init__(file, line, col, message, hint)
        self.file = file
        self.line = line
        self.col = col
        self.message = message
        """What is wrong."""
        self.hint = hint
        """What would be right."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.col}" if self.line else self.file
        return f"{place}: {self.message}, {self.hint}"

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sort key: the order in which a reader meets the errors; equal for equal errors."""
        return (self.file, self.line, self.col, self.message, self.hint)


class FileError(ConfigError):
    """The file cannot be read or is not text."""


class YamlError(ConfigError):
    """The file is not YAML; nothing else can be said about it."""


class SchemaError(ConfigError):
    """A key or a value is not what the schema allows in its place."""


class MeaningError(ConfigError):
    """Each value is fine by itself, but they do not fit together."""


class ConfigErrors(Exception):
    """Everything wrong with a configuration, in file order and without repetition."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        by_order = {error.order: error for error in errors}
        self.errors: tuple[ConfigError, ...] = tuple(by_order[key] for key in sorted(by_order))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def __iter__(self) -> Iterator[ConfigError]:
        return iter(self.errors)

    def __len__(self) -> int:
        return len(self.errors)
