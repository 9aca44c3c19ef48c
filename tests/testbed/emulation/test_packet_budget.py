"""How many nodes a delayer can serve, and that more are refused with the number that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation.packet_budget import PACKETS_PER_S, packets_per_s, require_within
from testbed.emulation.profiles import DirectionProfile, LinkProfile, load_profiles
from testbed.errors import UsageError

LINKS = load_profiles().links


def dedicated(bit_per_s: int) -> LinkProfile:
    """A link on which nobody shares anything."""

    def side(one: DirectionProfile) -> DirectionProfile:
        return replace(one, ceil_bit_per_s=bit_per_s, capacity_bit_per_s=None)

    link = LINKS["5g"]
    return replace(link, uplink=side(link.uplink), downlink=side(link.downlink))


def test_ten_uplinks_of_20_mbit_fit_and_twenty_do_not() -> None:
    """As measured: 10 kept their delay under load, 20 were late by 45 ms."""
    require_within(dedicated(20_000_000), 10, "nfqueue", PACKETS_PER_S)
    message = r"^nodes = 20: 5g could carry 50 thousand packets a second, .* up to 30 thousand\. Ask for 12 nodes or"
    with pytest.raises(UsageError, match=message):
        require_within(dedicated(20_000_000), 20, "nfqueue", PACKETS_PER_S)
    require_within(dedicated(20_000_000), 12, "nfqueue", PACKETS_PER_S)


def test_a_link_that_is_too_fast_for_one_node_says_so() -> None:
    with pytest.raises(UsageError, match="No number of nodes fits: lower the rates of that profile, or use a kernel"):
        require_within(dedicated(1_000_000_000), 2, "nfqueue", PACKETS_PER_S)


@pytest.mark.parametrize("element", ["netem", "none"])
def test_without_a_delayer_there_is_no_budget(element: str) -> None:
    require_within(dedicated(1_000_000_000), 200, element, PACKETS_PER_S)


@given(st.sampled_from(sorted(LINKS)), st.integers(1, 249))
def test_a_shared_cell_does_not_grow_with_its_clients(network: str, nodes: int) -> None:
    link = LINKS[network]
    shared = link.half_duplex_capacity_bit_per_s or link.downlink.capacity_bit_per_s
    if shared:
        assert packets_per_s(link, nodes) <= shared / 8 / 1514 * 1.5
        require_within(link, nodes, "nfqueue", PACKETS_PER_S)
    else:
        assert packets_per_s(link, nodes) == pytest.approx(nodes * packets_per_s(link, 1))
