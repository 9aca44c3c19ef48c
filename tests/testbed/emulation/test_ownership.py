"""Whose testbed may go: the rules, for every owner there can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from testbed.emulation import ownership
from testbed.emulation.ownership import Owner, is_abandoned, is_replaced, refusal

owners = st.builds(
    Owner,
    testbed_id=st.just("a1b2c3"),
    pid=st.integers(2, 99),
    start_ticks=st.integers(0, 99),
    boot_id=st.just("boot"),
    prefix=st.sampled_from(["/one", "/two"]),
    command=st.just(("fedprobe", "run")),
    created_utc=st.just("2026-01-01T00:00:00+00:00"),
    held=st.booleans(),
    complete=st.booleans(),
)


@given(owners)
def test_a_live_process_keeps_its_testbed(owner: Owner) -> None:
    assert not is_abandoned(owner, alive=True, same_boot=True)


@given(owners, st.booleans())
def test_nothing_outlives_a_boot(owner: Owner, alive: bool) -> None:
    assert is_abandoned(owner, alive=alive, same_boot=False)


@given(owners)
def test_a_dead_process_keeps_only_what_is_held_and_whole(owner: Owner) -> None:
    assert is_abandoned(owner, alive=False, same_boot=True) != (owner.held and owner.complete)


@given(owners, owners)
def test_only_the_same_clone_replaces_and_only_by_hand(owner: Owner, new: Owner) -> None:
    if is_replaced(owner, by=new):
        assert owner.prefix == new.prefix
        assert owner.held
        assert new.held
    assert not is_replaced(replace(owner, held=False), by=new)


@given(owners, st.integers(2, 99))
def test_a_live_run_of_another_process_is_not_taken_down(owner: Owner, pid: int) -> None:
    allowed = refusal(owner, alive=True, pid=pid) is None
    assert allowed == (owner.pid == pid or (owner.held and owner.complete))
    assert refusal(owner, alive=False, pid=pid) is None


def test_a_claim_that_was_cut_short_may_go() -> None:
    assert is_abandoned(None, alive=False, same_boot=False)
    assert refusal(None, alive=False, pid=7) is None


@given(owner=owners)
def test_owner_files_round_trip(owner: Owner, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("owner")
    ownership.write_owner(folder, owner)
    assert ownership.read_owner(folder) == owner


def test_half_an_owner_file_is_no_owner(tmp_path: Path) -> None:
    assert ownership.read_owner(tmp_path) is None
    (tmp_path / "owner.json").write_text('{"testbed_id": "a1b2')
    assert ownership.read_owner(tmp_path) is None
    (tmp_path / "owner.json").write_text('{"command": ["x"], "colour": 1}')
    assert ownership.read_owner(tmp_path) is None
