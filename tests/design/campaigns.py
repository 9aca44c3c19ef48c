"""Campaigns for the tests of designs, as documents and as hypothesis draws them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from testbed.campaign import Campaign

LEVELS: dict[str, st.SearchStrategy[list[Any]]] = {
    "polling": st.lists(st.sampled_from(["stock", "fast"]), min_size=1, max_size=2, unique=True),
    "clients": st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True),
    "rounds": st.lists(st.integers(5, 50), min_size=1, max_size=3, unique=True),
    "workload.settings.layout": st.lists(st.sampled_from(["flat", "native"]), min_size=1, max_size=2, unique=True),
    "workload.settings.batch-size": st.lists(st.integers(1, 64), min_size=1, max_size=3, unique=True),
    "testbed.pi_cpu": st.lists(st.sampled_from(["none", 0.25, 0.5]), min_size=1, max_size=3, unique=True),
    "collect.interval_ms": st.lists(st.sampled_from([500, 1000]), min_size=1, max_size=2, unique=True),
    "priorities.flwr-clientapp": st.lists(st.integers(0, 19), min_size=1, max_size=2, unique=True),
}
INTERFACES = st.lists(st.sampled_from(["ethernet", "wifi", "5g"]), min_size=1, max_size=3, unique=True)


def document(factors: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A campaign file with these factors."""
    base: dict[str, Any] = {"name": "made", "seed": 1, "factors": factors}
    base |= {name: value for name, value in {"rounds": 5, "clients": 2}.items() if name not in factors}
    return {**base, **more}


def campaign(factors: dict[str, Any], **more: Any) -> Campaign:
    """The campaign of such a file."""
    return Campaign.model_validate(document(factors, **more))


@st.composite
def factor_tables(draw: st.DrawFn) -> dict[str, Any]:
    """Interface and up to three other factors."""
    names = draw(st.lists(st.sampled_from(sorted(LEVELS)), max_size=3, unique=True))
    return {"interface": draw(INTERFACES), **{name: draw(LEVELS[name]) for name in names}}


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    """Full designs with one to three repetitions."""
    return campaign(draw(factor_tables()), seed=draw(st.integers(0, 2**32)), repetitions=draw(st.integers(1, 3)))
