"""Ranges: names that are counted, addresses that are counted up beside them, and what is no range."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ranges import MOST_HOSTS, RangeError, beside, counted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pi1", ["pi1"]),
        ("pi[08-11]", ["pi08", "pi09", "pi10", "pi11"]),
        ("pi[8-11].lab", ["pi8.lab", "pi9.lab", "pi10.lab", "pi11.lab"]),
        ("[0-1]", ["0", "1"]),
        ("pi[5-5]", ["pi5"]),
        ("pi[099-101]", ["pi099", "pi100", "pi101"]),
    ],
)
def test_a_range_is_counted(text: str, names: list[str]) -> None:
    assert counted(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pi[1-", "brackets hold a range"),
        ("pi[a-c]", "brackets hold a range"),
        ("pi[1,3]", "brackets hold a range"),
        ("pi[1-2][3-4]", "more brackets than one range needs"),
        ("pi[9-1]", "counts from 9 down to 1"),
        ("pi[1-100000000000000000000]", "of which an inventory takes 1000"),
        ("pi[１-２]", "brackets hold a range"),  # noqa: RUF001 (digits of another script)
    ],
)
def test_what_is_no_range_is_named(text: str, message: str) -> None:
    with pytest.raises(RangeError, match=message):
        counted(text)


@pytest.mark.parametrize(
    ("first", "hosts", "addresses"),
    [
        ("192.0.2.7", 1, ["192.0.2.7"]),
        ("192.0.2.252", 3, ["192.0.2.252", "192.0.2.253", "192.0.2.254"]),
        ("2001:db8::fffe", 2, ["2001:db8::fffe", "2001:db8::ffff"]),
        ("192.0.2.[7-9]", 3, ["192.0.2.7", "192.0.2.8", "192.0.2.9"]),
        ("gate.lab", 1, ["gate.lab"]),
        ("pi[1-2].lab", 2, ["pi1.lab", "pi2.lab"]),
    ],
)
def test_addresses_go_up_beside_names(first: str, hosts: int, addresses: list[str]) -> None:
    assert beside(first, hosts) == addresses


@pytest.mark.parametrize(
    ("first", "hosts", "message"),
    [
        ("192.0.2.252", 4, "past its subnet, to 255: the most is 254"),
        ("2001:db8::fffe", 3, "past its subnet, to 10000: the most is ffff"),
        ("255.255.255.250", 10, "past its subnet"),
        ("gate.lab", 2, "no IP address to count 2 hosts up from"),
        ("pi[1-3].lab", 2, "range of 3 beside 2 by name"),
    ],
)
def test_addresses_that_cannot_go_up_are_named(first: str, hosts: int, message: str) -> None:
    with pytest.raises(RangeError, match=message):
        beside(first, hosts)


@given(
    first=st.integers(0, 10**6),
    more=st.integers(0, MOST_HOSTS - 1),
    width=st.integers(0, 9),
    before=st.text(st.characters(exclude_characters="[]"), max_size=4),
    after=st.text(st.characters(exclude_characters="[]"), max_size=4),
)
def test_names_of_a_range_are_distinct_and_as_many_as_it_says(
    first: int, more: int, width: int, before: str, after: str
) -> None:
    names = counted(f"{before}[{first:0{width}d}-{first + more}]{after}")
    assert len(set(names)) == len(names) == more + 1
    assert [int(name[len(before) : len(name) - len(after)]) for name in names] == list(range(first, first + more + 1))


@given(first=st.ip_addresses(), hosts=st.integers(1, 300))
def test_addresses_of_a_range_are_distinct_neighbours(first: object, hosts: int) -> None:
    try:
        made = beside(str(first), hosts)
    except RangeError:
        return
    numbers = [int(ip_address(one)) for one in made]
    assert numbers == list(range(numbers[0], numbers[0] + hosts))
    assert numbers[0] == int(ip_address(str(first)))
    assert len({number >> 8 for number in numbers}) == 1 or ":" in made[0]
