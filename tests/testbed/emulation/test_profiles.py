"""Profile files: every number has an origin, and a value no link can have is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.emulation.profiles import BUILT_IN, chosen_profiles, load_profiles, parse_profiles, shipped_names
from testbed.emulation.radio import CellProfile, rate_bit_per_s
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


CELL = """\
[5g.cell]
bandwidth_mhz = { value = 40, origin = "o" }
subcarrier_spacing_khz = { value = 30, origin = "o" }
period_symbols = { value = 140, origin = "o" }
guard_symbols = { value = 4, origin = "o" }
uplink_symbols = { value = 32, origin = "o" }
downlink_layers = { value = 1, origin = "o" }
uplink_layers = { value = 1, origin = "o" }
downlink_bits = { value = 6, origin = "o" }
uplink_bits = { value = 6, origin = "o" }
downlink_efficiency = { value = 1.0, origin = "o" }
uplink_efficiency = { value = 1.0, origin = "o" }
"""
DIRECTIONS = "\n".join(
    f"""[5g.{name}]
delay_ns = {{ value = 8_000_000, origin = "o" }}
jitter_sigma_ns = {{ value = 0, origin = "o" }}
loss_ratio = {{ value = 0.0, origin = "o" }}
queue_ns = {{ value = 0, origin = "o" }}
queue_min_packets = {{ value = 30, origin = "o" }}
"""
    for name in ("downlink", "uplink")
)


def refused(text: str) -> str:
    with pytest.raises(ProfileError) as raised:
        parse_profiles(text, Path("lab.toml"))
    return str(raised.value)


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_profile_says_where_each_number_is_from_and_is_kept_whole(name: str) -> None:
    profiles = chosen_profiles(name, Path())
    for link in profiles.links.values():
        assert all(origin.strip() for origin in link.origins.values())
    again = parse_profiles(profiles.text, Path("kept.toml"))
    assert again.links == profiles.links


def test_paper_5g_is_a_cell_of_40_mhz_with_23_percent_uplink() -> None:
    profiles = chosen_profiles("paper-5g", Path())
    link, default = profiles.links["5g"], load_profiles()
    assert link.cell is not None
    assert link.cell.bandwidth_mhz == 40
    assert round(link.cell.uplink_share, 2) == 0.23
    assert link.uplink.capacity_bit_per_s == link.uplink.ceil_bit_per_s
    assert link.downlink.capacity_bit_per_s > 3 * link.uplink.capacity_bit_per_s
    assert "38.306" in link.origins["uplink.capacity_bit_per_s"]
    assert {name: profiles.links[name] for name in ("ethernet", "wifi")} == {
        name: default.links[name] for name in ("ethernet", "wifi")
    }


def test_the_sweep_changes_one_thing_at_a_time() -> None:
    links = chosen_profiles("paper-5g-sweep", Path()).links
    base = links["5g"].cell
    assert base is not None
    further = {name: link.cell for name, link in links.items() if name.startswith("5g-")}
    assert len(further) >= 6
    for name, cell in further.items():
        changed = [field for field in base.__slots__ if getattr(cell, field) != getattr(base, field)]
        assert changed == (["bandwidth_mhz"] if name.endswith("mhz") else ["uplink_symbols"])
    by_bandwidth = [links[name].uplink.ceil_bit_per_s for name in ("5g-20mhz", "5g", "5g-60mhz", "5g-80mhz")]
    assert by_bandwidth == sorted(by_bandwidth)
    by_share = [links[name] for name in ("5g-uplink-13", "5g", "5g-uplink-43", "5g-uplink-63")]
    assert [one.uplink.ceil_bit_per_s for one in by_share] == sorted(one.uplink.ceil_bit_per_s for one in by_share)
    assert by_share[0].downlink.ceil_bit_per_s > by_share[-1].downlink.ceil_bit_per_s


def test_a_file_takes_from_a_shipped_one_what_it_has_not() -> None:
    text = 'extends = "paper-5g"\n[5g-far]\nlike = "5g"\n[5g-far.uplink]\ndelay_ns = { value = 5, origin = "o" }\n'
    links = parse_profiles(text, Path("lab.toml")).links
    assert links["5g-far"].uplink.delay_ns == 5
    assert links["5g-far"].downlink == links["5g"].downlink
    assert links["5g-far"].origins["uplink.delay_ns"] == "o"
    assert list(links) == ["ethernet", "wifi", "5g", "5g-far"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "paper-6g"', "extends = 'paper-6g': no profiles of that name are shipped. Did you mean paper-5g"),
        ('[5g-far]\nlike = "5g"', "5g-far.like = '5g': no section of that name before it"),
        ("[4g-far]", "unknown key 4g-far. Expected one of ethernet, wifi, 5g."),
        (
            f"{CELL.replace('value = 40', 'value = 45')}{DIRECTIONS}",
            "5g.cell: bandwidth_mhz = 45: with 30 kHz expected one of 5, 10",
        ),
        (f"{CELL.replace('= 30', '= 240')}{DIRECTIONS}", "subcarrier_spacing_khz = 240: expected one of 15, 30"),
        (f"{CELL.replace('= 32', '= 136')}{DIRECTIONS}", "uplink_symbols = 136: with 4 of guard nothing of 140 is"),
        (
            f'{CELL}{DIRECTIONS}capacity_bit_per_s = {{ value = 7, origin = "o" }}',
            "5g.uplink: capacity_bit_per_s follows from the cell",
        ),
        (f"{CELL.replace('1.0', '0')}{DIRECTIONS}", "5g.cell.downlink_efficiency = 0: expected a share above 0"),
    ],
)
def test_a_derived_profile_that_cannot_be_is_refused(text: str, message: str) -> None:
    assert message in refused(text)


def test_profiles_are_chosen_by_name_or_by_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    assert chosen_profiles("mine.toml", tmp_path).links == chosen_profiles("default", tmp_path).links
    with pytest.raises(ProfileError, match=r"no profiles of that name are shipped\. Did you mean paper-5g"):
        chosen_profiles("paper5g", tmp_path)


def test_a_cell_has_the_rates_of_the_standards_formula() -> None:
    """The figures of common calculators for 273 blocks, 4 layers, 256QAM, and for 106 blocks as here."""
    wide = CellProfile(
        bandwidth_mhz=100, subcarrier_spacing_khz=30, period_symbols=140, guard_symbols=0, uplink_symbols=0,
        downlink_layers=4, uplink_layers=1, downlink_bits=8, uplink_bits=6,
        downlink_efficiency=1.0, uplink_efficiency=1.0,
    )  # fmt: skip
    assert rate_bit_per_s(wide, "downlink") == pytest.approx(2.337e9, rel=1e-3)
    cell = parse_profiles(f"{CELL}{DIRECTIONS}", Path("lab.toml")).links["5g"]
    assert cell.uplink.ceil_bit_per_s == pytest.approx(182.02e6 * 32 / 140, rel=1e-3)
    assert cell.downlink.ceil_bit_per_s == pytest.approx(170.15e6 * 104 / 140, rel=1e-3)
