"""A namer and a rotator that live where no application is built, so the collector may import them."""

from __future__ import annotations

import gzip
import os


def into_archive(name: str) -> str:
    return f"{name}.gz"


def compress(source: str, destination: str) -> None:
    with open(source, "rb") as plain, gzip.open(destination, "wb") as packed:
        packed.write(plain.read())
    os.remove(source)
