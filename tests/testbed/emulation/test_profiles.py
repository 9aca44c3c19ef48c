"""Profile files: every number has an origin, and a value no link can have is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.emulation.profiles import BUILT_IN, load_profiles, parse_profiles
from testbed.errors import ProfileError

TEXT = BUILT_IN.read_text(encoding="utf-8")


def test_the_built_in_links() -> None:
    links = load_profiles().links
    assert sorted(links) == ["5g", "ethernet", "wifi"]
    cell = links["5g"]
    assert (cell.uplink.ceil_bit_per_s, cell.uplink.capacity_bit_per_s) == (20_000_000, 30_000_000)
    assert (cell.downlink.ceil_bit_per_s, cell.downlink.capacity_bit_per_s) == (100_000_000, 120_000_000)
    assert (cell.downlink.delay_ns, cell.uplink.delay_ns) == (8_000_000, 14_000_000)
    assert links["wifi"].half_duplex_capacity_bit_per_s == 120_000_000
    assert links["ethernet"].uplink.capacity_bit_per_s is None


def test_every_number_has_an_origin() -> None:
    for link in load_profiles().links.values():
        assert all(link.origins.values())
        for name, side in (("uplink", link.uplink), ("downlink", link.downlink)):
            given = [key for key in side.__slots__ if getattr(side, key) is not None]
            assert all(f"{name}.{key}" in link.origins for key in given)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 20_000_000", 'value = "fast"', "ceil_bit_per_s = 'fast': expected a number of bit/s above 0, e.g."),
        ("value = 20_000_000", "value = 0", "5g.uplink.ceil_bit_per_s = 0: expected a number of bit/s above 0"),
        ("value = 20_000_000", "value = -1", "5g.uplink.ceil_bit_per_s = -1: expected"),
        ("value = 20_000_000", "value = nan", "5g.uplink.ceil_bit_per_s = nan: expected"),
        ("value = 20_000_000", "value = true", "5g.uplink.ceil_bit_per_s = True: expected"),
        ("value = 20_000_000", "speed = 3", "5g.uplink.ceil_bit_per_s is missing: expected"),
        ("value = 14_000_000", "value = -5", "5g.uplink.delay_ns = -5: expected a whole number of ns"),
        ("value = 0.001", "value = 1.0", "wifi.downlink.loss_ratio = 1.0: expected a ratio from 0"),
        ("value = 1000", "value = 0", "queue_min_packets = 0: expected a whole number of packets, 1 or more"),
        ('origin = "assumption: HARQ and RLC hide loss"', 'origin = " "', "5g.downlink.loss_ratio.origin"),
        ("delay_ns = { value = 14", "delai_ns = { value = 14", "key 5g.uplink.delai_ns. Did you mean delay_ns?"),
        ("[5g.uplink]", "[5g.uplnk]", "unknown key 5g.uplnk. Did you mean uplink?"),
        ("[5g.", "[6g.", "unknown key 6g. Expected one of ethernet, wifi, 5g."),
        ("[5g.uplink]", "[5g.uplink", "not TOML"),
    ],
)  # fmt: skip
def test_a_value_no_link_can_have_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ProfileError) as raised:
        parse_profiles(TEXT.replace(old, new), Path("lab.toml"))
    assert str(raised.value).startswith("lab.toml: ")
    assert message in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_link_needs_both_directions() -> None:
    text = TEXT[: TEXT.index("[5g.uplink]")]
    with pytest.raises(ProfileError, match=r"section \[5g.uplink\] is missing"):
        parse_profiles(text, Path("lab.toml"))


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent\.toml: cannot be read: No such file"):
        load_profiles(tmp_path / "absent.toml")
    with pytest.raises(ProfileError, match="describes no network"):
        parse_profiles("", Path("lab.toml"))
