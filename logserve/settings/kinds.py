"""Kinds of values: how each is read from text, written back, and described.

Text is what every layer has (a flag, a variable, a file's value written out), so that a value means the same
wherever it was said. Reading raises :class:`KindError` with what was expected; who asked adds where.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


class KindError(ValueError):
    """A text that is no value of its kind.

    :param expected: what a value looks like, as it follows "expected".
    :param hint: what was perhaps meant, as it follows "did you mean"; "" where nothing is near.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.hint = hint


class Kind(Generic[T]):
    """One kind of value. ``read(show(value)) == value`` holds for each."""

    metavar: str = "TEXT"
    unit: ClassVar[str] = ""

    @property
    def expected(self) -> str:
        """What a value looks like, in words."""
        raise NotImplementedError

    def read(self, text: str) -> T:
        """Return the value that `text` stands for; :class:`KindError` where it stands for none."""
        raise NotImplementedError

    def take(self, value: object) -> T:
        """Return the value that a configuration file gave as `value`; :class:`KindError` where it is none.

        What a file says with quotes means the same as without.
        """
        if isinstance(value, bool):
            return self.read("true" if value else "false")
        if isinstance(value, str | int | float | os.PathLike):
            return self.read(os.fspath(value) if isinstance(value, os.PathLike) else str(value))
        raise KindError(self.expected)

    def show(self, value: T) -> str:
        """Return the text that stands for `value`."""
        return str(value)

    def split(self, text: str) -> list[str]:
        """Return the single texts in one that was given for a list."""
        return [text]


class Text(Kind[str]):
    """Anything but nothing."""

    def __init__(self, expected: str = "some text") -> None:
        self._expected = expected

    @property
    def expected(self) -> str:
        """What was said at the declaration."""
        return self._expected

    def read(self, text: str) -> str:
        """Return `text` as it is."""
        if not text or "\0" in text:
            raise KindError(self._expected)
        return text


class Path(Text):
    """A file's path; relative ones start at ``--chdir``."""

    metavar = "PATH"

    def __init__(self, expected: str = "a path") -> None:
        super().__init__(expected)


class Directories(Path):
    """One directory, or several with commas between (gunicorn's ``--pythonpath``)."""

    metavar = "DIRECTORY"

    def __init__(self) -> None:
        super().__init__("a directory")

    def split(self, text: str) -> list[str]:
        """``"lib,vendor"`` is two."""
        return _split_commas(text)


class Switch(Kind[bool]):
    """On or off."""

    metavar = ""
    _VALUES: ClassVar[dict[str, bool]] = {
        "1": True, "true": True, "yes": True, "on": True,
        "0": False, "false": False, "no": False, "off": False,
    }  # fmt: skip

    @property
    def expected(self) -> str:
        """The usual words."""
        return "1, true, yes or on; or 0, false, no or off"

    def read(self, text: str) -> bool:
        """Return whether `text` says on."""
        value = self._VALUES.get(text.strip().lower())
        if value is None:
            raise KindError(self.expected)
        return value

    def show(self, value: bool) -> str:
        """Return ``true`` or ``false``."""
        return "true" if value else "false"


class Choice(Kind[str]):
    """One of a few words, whatever their case."""

    def __init__(self, *words: str, metavar: str = "") -> None:
        self.words = words
        self.metavar = metavar or "|".join(words)

    @property
    def expected(self) -> str:
        """The words."""
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def read(self, text: str) -> str:
        """Return the word as it is declared."""
        word = text.strip().lower()
        if word in self.words:
            return word
        raise KindError(self.expected, nearest(word, self.words))


class WorkerClass(Choice):
    """A worker type's name, or ``module:Class`` for one's own."""

    _OWN: ClassVar[re.Pattern[str]] = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")

    @property
    def expected(self) -> str:
        """The words, and the form of what is one's own."""
        return f"{', '.join(self.words)} or module:Class"

    def read(self, text: str) -> str:
        """Return the word as it is declared, or the name as it is."""
        return text.strip() if self._OWN.fullmatch(text.strip()) else super().read(text)


class Count(Kind[int]):
    """A whole number."""

    metavar = "N"

    def __init__(self, minimum: int = 0, maximum: int | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    @property
    def expected(self) -> str:
        """The range."""
        if self.maximum is None:
            return f"a whole number, {self.minimum} or more"
        return f"a whole number from {self.minimum} to {self.maximum}"

    def read(self, text: str) -> int:
        """Return the number."""
        text = text.strip()  # of more than int() takes for white space
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise KindError(self.expected)
        value = int(text)
        if value < self.minimum or (self.maximum is not None and value > self.maximum):
            raise KindError(self.expected)
        return value


class WholeSeconds(Count):
    """A duration in whole seconds."""

    metavar = "SECONDS"
    unit = "s"

    @property
    def expected(self) -> str:
        """The range."""
        return f"a whole number of seconds, {self.minimum} or more"


class Seconds(Kind[float]):
    """A duration in seconds, with a fraction if need be."""

    metavar = "SECONDS"
    unit = "s"

    @property
    def expected(self) -> str:
        """The range."""
        return "a number of seconds, 0 or more"

    def read(self, text: str) -> float:
        """Return the seconds."""
        text = text.strip()  # of more than float() takes for white space
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9}", text):
            raise KindError(self.expected)
        return float(text)

    def show(self, value: float) -> str:
        """Return the shortest decimal, never an exponent."""
        return f"{value:.9f}".rstrip("0").rstrip(".")


class Size(Kind[int]):
    """A number of bytes; ``K``, ``M`` and ``G`` are powers of 1024."""

    metavar = "SIZE"
    unit = "bytes"
    _FACTORS: ClassVar[dict[str, int]] = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    _PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"([0-9]{1,18})\s*(|[KMG])(?:I?B)?", re.IGNORECASE)

    def __init__(self, minimum: int = 0, maximum: int | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    @property
    def expected(self) -> str:
        """The range."""
        suffix = "in bytes or with K, M or G"
        if self.maximum is None:
            return f"a size {suffix}, {self.show(self.minimum)} or more"
        return f"a size {suffix}, from {self.show(self.minimum)} to {self.show(self.maximum)}"

    def read(self, text: str) -> int:
        """Return the bytes: ``"64K"``, ``"64KiB"``, ``"64kb"`` and ``"65536"`` are the same."""
        match = self._PATTERN.fullmatch(text.strip())
        if match is None:
            raise KindError(self.expected)
        value = int(match[1]) * self._FACTORS[match[2].upper()]
        if value < self.minimum or (self.maximum is not None and value > self.maximum):
            raise KindError(self.expected)
        return value

    def show(self, value: int) -> str:
        """Return it with the greatest suffix that leaves a whole number."""
        for suffix in ("G", "M", "K"):
            if value and value % self._FACTORS[suffix] == 0:
                return f"{value // self._FACTORS[suffix]}{suffix}"
        return str(value)


class PowerOfTwo(Size):
    """A size that is a power of two."""

    @property
    def expected(self) -> str:
        """The range."""
        return f"a power of two, {super().expected.removeprefix('a size ')}"

    def read(self, text: str) -> int:
        """Return the bytes; a size between two powers is refused with both named."""
        value = super().read(text)
        if value & (value - 1):
            below = 1 << (value.bit_length() - 1)
            raise KindError(self.expected, f"{self.show(below)} or {self.show(below << 1)}")
        return value


class FileMode(Kind[int]):
    """The permissions of a file: in text the digits of chmod(1), whatever their prefix; in a Python file a number."""

    metavar = "MODE"

    @property
    def expected(self) -> str:
        """The form."""
        return "permissions in octal, such as 600 or 0o600"

    def read(self, text: str) -> int:
        """Return the bits: ``"600"``, ``"0600"`` and ``"0o600"`` are the same."""
        match = re.fullmatch(r"(?:0o)?0*([0-7]{1,3})", text.strip())
        if match is None:
            raise KindError(self.expected)
        return int(match[1], 8)

    def take(self, value: object) -> int:
        """Return the bits; a number is what Python and TOML have made of ``0o600``."""
        if isinstance(value, int) and not isinstance(value, bool):
            return self.read(oct(value))
        return super().take(value)

    def show(self, value: int) -> str:
        """Return ``0o600``."""
        return f"0o{value:03o}"


class Assignment(Kind[str]):
    """``NAME=VALUE`` for the environment; the value may be empty."""

    metavar = "NAME=VALUE"

    @property
    def expected(self) -> str:
        """The form."""
        return "NAME=VALUE"

    def read(self, text: str) -> str:
        """Return `text` as it is."""
        name, equals, _ = text.partition("=")
        if not equals or not name.strip() or "\0" in text:
            raise KindError(self.expected)
        return text


class HeaderName(Kind[str]):
    """The name of a header field, a token of RFC 9110 section 5.6.2."""

    metavar = "NAME"
    _TOKEN: ClassVar[re.Pattern[str]] = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

    @property
    def expected(self) -> str:
        """The form."""
        return "the name of a header field, such as X-Request-ID"

    def read(self, text: str) -> str:
        """Return the name, without the colon that may follow it."""
        name = text.strip().removesuffix(":")
        if not self._TOKEN.fullmatch(name):
            raise KindError(self.expected)
        return name

    def split(self, text: str) -> list[str]:
        """``"Cookie, X-Key"`` is two."""
        return _split_commas(text)


class ParameterName(Text):
    """The name of a query parameter."""

    metavar = "NAME"

    def __init__(self) -> None:
        super().__init__("the name of a query parameter, such as token")

    def read(self, text: str) -> str:
        """Return the name."""
        name = text.strip()
        if re.search(r"[&=?#\s]", name):
            raise KindError(self.expected)
        return super().read(name)

    def split(self, text: str) -> list[str]:
        """``"token,key"`` is two."""
        return _split_commas(text)


def nearest(word: str, words: Sequence[str], cutoff: float = 0.6) -> str:
    """Return the one of `words` that `word` was perhaps meant to be, quoted; "" where none is near."""
    import difflib  # only where something is wrong

    close = difflib.get_close_matches(word, words, n=1, cutoff=cutoff)
    return repr(close[0]) if close else ""


def _split_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] or [text]
