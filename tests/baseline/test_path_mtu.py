"""The largest packet that passes is found, by few packets, and none is sent that the device cannot send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.baseline.path_mtu import LEAST_MTU, echo_bytes, path_mtu


@given(st.integers(576, 9000), st.integers(576, 9000))
def test_it_is_found_whatever_it_is(device_mtu: int, narrowest: int) -> None:
    tried: list[int] = []

    def passes(size: int) -> bool:
        tried.append(size)
        return size <= narrowest

    assert path_mtu(passes, device_mtu=device_mtu, version=4) == min(device_mtu, narrowest)
    assert max(tried) <= device_mtu
    assert len(tried) <= (1 if narrowest >= device_mtu else 16)


def test_a_path_that_passes_nothing_has_none() -> None:
    assert path_mtu(lambda size: False, device_mtu=1500, version=4) is None
    assert path_mtu(lambda size: size < LEAST_MTU[6], device_mtu=1500, version=6) is None


def test_pings_own_length_leaves_the_headers_out() -> None:
    assert (echo_bytes(1500, 4), echo_bytes(1500, 6)) == (1472, 1452)
