"""What the arbiter loads of logserve's own before the fork, so that the workers share it."""

from __future__ import annotations

import logserve
from logserve.logs.access import encode
from logserve.logs.config.own import import_own
from logserve.logs.origin import Origin
from tests.logs_config.conftest import LoadText
from tests.logs_unit.exchanges import ordinary

FORMATTERS = """
    formatters:
      shop: {(): logserve.ECSFormatter, service_name: shop, static: {labels.site: a}}
      own: {(): logserve.JSONFormatter, format: "%(message)s"}
      unknown: {(): logserve.ECSFormatter, service_name: ext://sys.platform}
    handlers:
      console: {formatter: shop}
      file: {class: logging.FileHandler, filename: a.log, formatter: json}
      other: {class: logging.FileHandler, filename: b.log, formatter: combined}
    root: {handlers: [file, other]}
"""


def test_the_encoders_code_is_compiled_once_for_all_workers(load_text: LoadText) -> None:
    encode._patterns.clear()
    import_own(load_text(FORMATTERS).data)
    before = dict(encode._patterns)
    assert len(before) == 2, "ECS and JSON"
    formatters = (
        logserve.ECSFormatter(service_name="shop", static={"labels.site": "a"}),
        logserve.JSONFormatter(),
    )
    for formatter in formatters:
        lines = []
        for slot in range(3):
            origin = Origin(bytes(12), slot, 10 + slot, pid=1000 + slot)
            lines.append(formatter.access_encoder(origin)(ordinary(origin)).decode())
        for slot, line in enumerate(lines):
            assert f'"pid":{1000 + slot}' in line
            assert f'"worker":{slot},' in line
            assert f"-{slot}-{10 + slot:x}-ff" in line
    assert encode._patterns == before


def test_handlers_that_format_alike_share_one_encoder() -> None:
    """So that a line that goes to two files is made once."""
    origin = Origin.local()
    one, two = (logserve.ECSFormatter(service_name="shop").access_encoder(origin) for _ in range(2))
    assert one is two
    assert logserve.ECSFormatter().access_encoder(origin) is not one
