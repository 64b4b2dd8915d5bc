"""A connection that is one too many: its first request is refused, whatever it is."""

from __future__ import annotations

from logserve.http1.connection import PARTIAL_LINE_MAX, Connection
from logserve.http1.head import Limits
from logserve.http1.request import Event
from logserve.http1.rules import Rule


class RefusedConnection(Connection):
    """Breaks the rule as soon as a request line has come, so that the record says which request it was.

    :param rule: the limit that it is beyond.
    """

    __slots__ = ("_rule",)

    def __init__(self, limits: Limits, rule: Rule) -> None:
        super().__init__(limits)
        self._rule = rule

    def next_event(self) -> Event | None:
        """See :class:`Connection`.

        :raises RemoteProtocolError: the rule is broken.
        """
        if self.closed or not (self.buffered or self.ended):
            return None
        if b"\n" in self.unread or len(self.unread) > PARTIAL_LINE_MAX or self.ended:
            self.partial = self._known()
            self.close()
            raise self._rule.error()
        return None
