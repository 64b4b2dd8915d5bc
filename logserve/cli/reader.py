"""Reading all settings, at the start and again at each reload."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from logserve.cli.options import parse_arguments
from logserve.compat.standin import standing_in
from logserve.settings import Resolved, resolve
from logserve.settings.file import ConfigurationFiles
from logserve.settings.layers import Given, Layer, all_layers
from logserve.settings.text import Surroundings


def settings_reader(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    surroundings: Surroundings = standing_in,
) -> Callable[[], Resolved]:
    """A function that reads the settings of this command line, and the environment and directory of now.

    :param environment: another environment.
    :param directory: another directory.
    :param surroundings: what is in force while a Python file runs.

    It raises :class:`~logserve.errors.LogserveError` where something is wrong.
    """
    variables = dict(os.environ if environment is None else environment)
    files = ConfigurationFiles(directory or os.getcwd(), surroundings)

    def read() -> Resolved:
        warnings: list[str] = []

        def read_file(said: Given | None) -> Layer:
            contents = files.read(said)
            warnings.extend(contents.warnings)
            return contents.layer

        return resolve(all_layers(variables, arguments, parse_arguments, read_file), warnings)

    return read
