"""An application whose process can be told from outside: it holds and maps memory that has a name."""

from __future__ import annotations

import mmap
import os
from typing import Final

from tests.apps import process_paths

application = process_paths.application

NAME: Final = "held-by-the-application"
_fd = os.memfd_create(NAME)
os.ftruncate(_fd, 1 << 20)
_memory = mmap.mmap(_fd, 1 << 20)
_memory.write(b"x" * (1 << 20))
