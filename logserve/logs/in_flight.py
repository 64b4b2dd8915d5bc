"""A request that is not answered yet, as a record about it shows it: redacted and clean, in fields and in words."""

from __future__ import annotations

from typing import Any, NamedTuple

from logserve.logs import redact
from logserve.logs.access.target import Target
from logserve.logs.text import single_line


class InFlight(NamedTuple):
    """One request in flight; `method` and `target` are empty while its head is being read."""

    id: str
    method: str
    target: str
    """As sent, latin-1 text, secrets included: what leaves this class is redacted."""
    age: float
    """Seconds since its first byte."""
    phase: str
    client: str
    """The peer's address; empty for a unix socket."""
    cut: bool = False
    """Whether the end of the target is not known."""

    def fields(self) -> dict[str, Any]:
        """Its typed fields; what is not known is left out."""
        target = Target.parse(self.target, redact.active())
        fields: dict[str, Any] = {
            "id": self.id,
            "method": self.method,
            "path": target.shown,
            "query": target.query,
            "client": self.client,
        }
        fields = {name: value for name, value in fields.items() if value}
        return {**fields, "age": round(self.age, 3), "phase": self.phase}

    def words(self) -> str:
        """The same on one line."""
        target = Target.parse(self.target, redact.active())
        what = f"{self.method} {target.whole}{'...' if self.cut else ''}" if self.method else "(no head yet)"
        client = f", from {self.client}" if self.client else ""
        return single_line(f"{what} (id {self.id}, phase {self.phase}, for {self.age:.3f} s{client})")
