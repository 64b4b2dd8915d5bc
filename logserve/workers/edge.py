"""What holds for a connection because of who it comes from: decided when it comes, so that no request pays for it.

The rules themselves are in :mod:`logserve.http1`: which fields a proxy is believed, the PROXY protocol, refusals.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from logserve import http1
from logserve.http1 import rules
from logserve.logs.access.exchange import Ends
from logserve.settings import Settings
from logserve.shm import layout as at
from logserve.shm.segment import Roster
from logserve.workers.connection import Connection, peer_text
from logserve.workers.ledger import Ledger

VERSIONS: Final = {"off": "", "v1": "1", "v2": "2", "auto": "12"}
"""``--proxy-protocol``, as :func:`logserve.http1.proxy.read_header` wants it."""


class Edge:
    """Meets the connections of one worker.

    :param limits: of each request.
    :param trust: which proxies are believed what.
    :param proxy_versions: of the PROXY protocol, "" for none.
    :param proxies: who may and has to use it.
    :param of_address: how many connections one address may have in this worker; 0 for any number.
    :param of_all: how many all workers may have; 0 for any number.
    :param roster: where the workers say how many they have.
    """

    def __init__(
        self,
        limits: http1.Limits,
        *,
        trust: http1.TrustRules | None = None,
        proxy_versions: str = "",
        proxies: http1.AllowList | None = None,
        of_address: int = 0,
        of_all: int = 0,
        roster: Roster | None = None,
    ) -> None:
        self._limits = limits
        self._trust = trust or http1.TrustRules()
        self._versions = proxy_versions
        self._proxies = proxies or http1.AllowList(())
        self._of_address = of_address
        self._of_all = of_all
        self._roster = roster
        self._counts: Counter[str] = Counter()

    def meet(self, peer: tuple[str, int]) -> tuple[http1.Connection, str]:
        """The parser for a new connection, and the address among whose connections it counts, "" for none.

        :param peer: its other end, ("", 0) for a unix socket's.
        """
        if self._of_all and self._connections() >= self._of_all:
            return http1.RefusedConnection(self._limits, rules.TOO_MANY_CONNECTIONS), ""
        introduced = bool(self._versions) and peer[0] in self._proxies
        counted = "" if introduced else self._counted(peer[0])
        if counted and not self._count(counted):
            return http1.RefusedConnection(self._limits, rules.TOO_MANY_OF_ADDRESS), ""
        connection: http1.Connection
        if self._versions:
            connection = http1.ProxiedConnection(self._limits, self._versions, allowed=introduced)
        else:
            connection = http1.Connection(self._limits)
        if not introduced:
            connection.policy = self._trust.policy(peer)
        return connection, counted

    def introduce(self, connection: Connection, header: http1.ProxyHeader, ledger: Ledger) -> None:
        """A proxy has said whose connection this is; the request under way has begun already.

        :raises RemoteProtocolError: the client has too many.
        """
        ends, exchange = connection.ends, connection.exchange
        assert exchange is not None
        client = header.client if header.protocol else (ends.client_ip, ends.client_port)
        connection.http.policy = self._trust.policy(client)
        if not header.protocol:
            return
        connection.ends = exchange.ends = Ends(*client, *ends[2:4], ends.client_ip, ends.client_port)
        connection.known_as(peer_text(client))
        ledger.readdress(connection)
        connection.environ = {
            **connection.environ,
            "PROXY_PROTOCOL": header.protocol,
            "PROXY_ADDR": header.proxy[0],
            "PROXY_PORT": str(header.proxy[1]),
            "REMOTE_ADDR": client[0],
            "REMOTE_PORT": str(client[1]),
        }
        counted = self._counted(client[0])
        if counted and not self._count(counted):
            raise rules.TOO_MANY_OF_ADDRESS.error()
        connection.counted = counted

    @staticmethod
    def believe(connection: Connection, request: http1.ForwardedRequest) -> None:
        """Put what a proxy said of a request into its exchange; what the application gets is in its fields."""
        exchange, ends = connection.exchange, connection.ends
        assert exchange is not None
        exchange.fields = request.sent
        if request.client is not None:
            source = (
                (ends.source_ip, ends.source_port) if ends.source_ip else (ends.client_ip, ends.client_port)
            )
            exchange.ends = Ends(*request.client, *ends[2:4], *source)

    def gone(self, connection: Connection) -> None:
        """A connection that counts has been closed."""
        address, connection.counted = connection.counted, ""
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def _counted(self, address: str) -> str:
        """The address to count: a proxy's connections are many clients', and a unix socket's have none."""
        return "" if not self._of_address or address in self._trust.trusted else address

    def _count(self, address: str) -> bool:
        """One more; False where that is too many."""
        if self._counts[address] >= self._of_address:
            return False
        self._counts[address] += 1
        return True

    def _connections(self) -> int:
        """Of all workers, without the one that is new; each counts its own."""
        assert self._roster is not None
        words = self._roster.words
        last = (at.ROSTER_SLOTS - 1) * at.ROSTER_WORDS
        return sum(words[row + at.R_CONNECTIONS] for row in range(0, last, at.ROSTER_WORDS))


def edge_for(settings: Settings, roster: Roster) -> Edge:
    """The edge that these settings describe."""
    return Edge(
        http1.Limits(
            request_line=settings.limit_request_line,
            fields=settings.limit_request_fields,
            field_size=settings.limit_request_field_size,
            body=settings.limit_request_body,
        ),
        trust=http1.TrustRules.make(
            settings.forwarded_allow_ips,
            settings.client_ip_header,
            settings.secure_scheme_headers,
            settings.forwarder_headers,
            settings.header_map,
        ),
        proxy_versions=VERSIONS[settings.proxy_protocol],
        proxies=http1.AllowList(settings.proxy_allow_ips),
        of_address=settings.limit_connections_per_address,
        of_all=settings.limit_connections,
        roster=roster,
    )
