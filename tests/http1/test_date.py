"""The Date field's value is an IMF-fixdate, as the standard library writes it."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import example, given
from hypothesis import strategies as st

from logserve.http1.response import _http_date


@given(st.integers(0, 253402300799))
@example(784111777)
@example(951782399)  # 28 February of a leap year
def test_it_says_what_the_standard_library_says(second: int) -> None:
    assert _http_date(second) == formatdate(second, usegmt=True)
