"""What proxies in front are believed, and the health check."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

import msgspec

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Choice, HeaderName, Switch
from logserve.settings.networks import HeaderValues, Network, ProxyVersions, UrlPath
from logserve.settings.sections.limits import LimitsSettings


class EdgeSettings(LimitsSettings, frozen=True, kw_only=True):
    """What proxies in front are believed, and the health check."""

    forwarded_allow_ips: Annotated[
        list[str],
        Setting(
            section=Section.EDGE,
            kind=Network(),
            fallback=("FORWARDED_ALLOW_IPS", "{}"),
            unset="nobody",
            help="Believe the forwarding header fields of proxies with these addresses, with commas between. Who "
            "connects to a unix socket is always believed.",
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])

    client_ip_header: Annotated[
        str,
        Setting(
            section=Section.EDGE,
            kind=HeaderName(),
            help="The field in which the proxy says who its client is, for the access log: X-Forwarded-For, Forwarded "
            "(RFC 7239), or one with a single address such as X-Real-IP. The client is the right-most address in it "
            "that --forwarded-allow-ips does not name.",
        ),
    ] = "X-Forwarded-For"

    secure_scheme_headers: Annotated[
        dict[str, str],
        Setting(
            section=Section.EDGE,
            kind=HeaderValues(),
            file_only=True,
            help="Fields, each with the value by which a believed proxy says that its client came by https. Fields "
            "that disagree are answered with 400.",
        ),
    ] = msgspec.field(
        default_factory=lambda: {
            "X-FORWARDED-PROTOCOL": "ssl",
            "X-FORWARDED-PROTO": "https",
            "X-FORWARDED-SSL": "on",
        }
    )

    forwarder_headers: Annotated[
        list[str],
        Setting(
            section=Section.EDGE,
            kind=HeaderName(),
            unset="none",
            help="Fields with an underscore in their name that a believed proxy may set, with commas between; * for "
            "all. SCRIPT_NAME among them becomes the application's.",
        ),
    ] = msgspec.field(default_factory=lambda: ["SCRIPT_NAME", "PATH_INFO"])

    header_map: Annotated[
        str,
        Setting(
            section=Section.EDGE,
            kind=Choice("drop", "refuse", "dangerous"),
            help="What becomes of other fields with an underscore in their name, which an application cannot tell from "
            "those with a hyphen: left out, answered with 400, or passed on as if they had a hyphen.",
        ),
    ] = "drop"

    proxy_protocol: Annotated[
        str,
        Setting(
            section=Section.EDGE,
            kind=ProxyVersions(),
            bare="auto",
            help="Whether connections from --proxy-allow-ips begin with a header of the PROXY protocol: of version 1, "
            "of version 2, or either (auto, also without a value). They must have one then.",
        ),
    ] = "off"

    proxy_allow_ips: Annotated[
        list[str],
        Setting(
            section=Section.EDGE,
            kind=Network(),
            aliases=("--proxy-allow-from",),
            unset="nobody",
            help="Whose connections begin with a header of the PROXY protocol, with commas between. One from any "
            "other address is answered with 403. Who connects to a unix socket is always on the list.",
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])

    health_path: Annotated[
        str | None,
        Setting(
            section=Section.EDGE,
            kind=UrlPath(),
            unset="no health check",
            help="Answer GET and HEAD for this path with 200 in the worker itself, without the application.",
        ),
    ] = None

    health_log: Annotated[
        bool,
        Setting(
            section=Section.EDGE,
            kind=Switch(),
            help="Write access records of health checks, too.",
        ),
    ] = False
