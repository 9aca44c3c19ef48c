"""Where a node's bytes went, by counters, routes and the server's view: right, another way, or not to be told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.checks import path_checks
from testbed.errors import RemoteError
from testbed.path_reading import parse_look, parse_route
from testbed.paths import Counters, Look, NodePath, Payload, Route, as_documents, astray, reason

SENT, RECEIVED = 3_000_000, 6_000_000
PAYLOAD = Payload(sent_bytes=SENT, received_bytes=RECEIVED)
DEVICES = {"ethernet": "eth0", "wifi": "wlan0", "5g": "wwan0"}
HEADERS = 1.05


def counters(received: float = 0, sent: float = 0) -> Counters:
    return Counters(received_bytes=int(received), sent_bytes=int(sent))


def path(*, route: str = "wwan0", shared: tuple[str, ...] = (), **carried: tuple[float, float]) -> NodePath:
    """A node that is to use 5g, with what each network's interface received and sent."""
    first = {network: counters(5_000, 7_000) for network in DEVICES}
    moved = {network: carried.get(f"over_{network}", (0, 0)) for network in DEVICES}
    return NodePath(
        node="pi1",
        network="5g",
        server="10.78.3.1",
        pinned_by="address",
        devices=DEVICES,
        addresses={"ethernet": "10.77.1.1", "wifi": "10.77.2.1", "5g": "10.77.3.1"},
        before=Look(route=Route(device=route), counters=first),
        after=Look(
            route=Route(device=route),
            counters={name: counters(5_000 + received, 7_000 + sent) for name, (received, sent) in moved.items()},
        ),
        shared=shared,
        seen={"10.77.3.1": 40},
    )


def whole(share: float = 1.0) -> tuple[float, float]:
    """What carries that share of the payload receives and sends."""
    return (share * RECEIVED * HEADERS, share * SENT * HEADERS)


RIGHT = path(over_5g=whole(), over_ethernet=(900, 80))


def test_bytes_that_went_where_they_were_to_are_no_reason() -> None:
    assert astray(RIGHT, PAYLOAD) == ""
    assert all(check.passed for check in path_checks([RIGHT], {"pi1": PAYLOAD}))


def test_both_counters_and_both_routes_are_in_the_reason() -> None:
    said = astray(path(route="eth0", over_5g=(300, 200), over_ethernet=whole()), PAYLOAD)
    assert "wwan0 sent and received less than the payload and eth0 carried 105% of it" in said
    assert "Payload 3.00 MB sent, 6.00 MB received" in said
    assert "5g (wwan0) 200 B sent, 300 B received" in said
    assert "ethernet (eth0) 3,150,000 B sent, 6,300,000 B received" in said
    assert "The route to 10.78.3.1 was by eth0 before the trial and by eth0 after it" in said


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (path(over_5g=(RECEIVED * HEADERS, 400), over_wifi=(0, SENT * HEADERS)), "wwan0 sent less"),
        (path(over_5g=(400, SENT * HEADERS), over_wifi=(RECEIVED * HEADERS, 0)), "wwan0 received less"),
        (path(over_5g=whole(0.9), over_ethernet=whole(0.1)), "wwan0 sent and received less"),
        (path(over_5g=whole(), over_ethernet=whole()), "eth0 carried 105%"),
        (path(over_5g=whole(), over_ethernet=whole(0.5)), "eth0 carried 52%"),
        (path(over_5g=(0, 0), over_ethernet=whole(), shared=("ethernet",)), "wwan0 sent and received less"),
        (replace(RIGHT, seen={"10.77.3.1": 40, "10.77.1.1": 2}), "the server saw 10.77.1.1, its address on ethernet"),
    ],
)
def test_each_proof_alone_is_enough(gone: NodePath, expected: str) -> None:
    assert expected in astray(gone, PAYLOAD)
    assert "pi1: bytes by interface" in {one.name for one in path_checks([gone], {"pi1": PAYLOAD}) if not one.passed}


def test_management_on_another_network_may_carry_as_much() -> None:
    assert astray(path(over_5g=whole(), over_ethernet=whole(), shared=("ethernet",)), PAYLOAD) == ""


def test_a_stray_that_is_less_than_the_payload_is_no_other_way() -> None:
    assert astray(path(over_5g=whole(), over_ethernet=whole(0.4)), PAYLOAD) == ""


def test_an_address_that_a_network_on_the_way_translated_is_no_other_way() -> None:
    assert astray(replace(RIGHT, seen={}), PAYLOAD) == ""


@pytest.mark.parametrize("after", [{}, {"5g": counters(10, 10)}])
def test_counters_that_are_gone_or_began_anew_prove_nothing_and_fail_the_check(after: dict[str, Counters]) -> None:
    gone = replace(RIGHT, after=replace(RIGHT.after, counters={**RIGHT.after.counters, **after}))
    if not after:
        gone = replace(gone, after=replace(gone.after, counters={}))
    assert astray(gone, PAYLOAD) == ""
    failed = [check for check in path_checks([gone], {"pi1": PAYLOAD}) if not check.passed]
    assert [check.name for check in failed] == ["pi1: bytes by interface"]
    assert "5g (wwan0) not counted" in failed[0].detail


def test_a_route_that_changed_in_the_trial_fails_its_check() -> None:
    moved = replace(RIGHT, after=replace(RIGHT.after, route=Route(problem="Network is unreachable")))
    failed = [check for check in path_checks([moved], {"pi1": PAYLOAD}) if not check.passed]
    assert [check.name for check in failed] == ["pi1: route to 10.78.3.1"]
    assert failed[0].detail == "by wwan0 before the trial, by Network is unreachable after it, wwan0 expected"


def test_of_many_nodes_three_are_told_and_the_others_counted() -> None:
    gone = path(over_ethernet=whole())
    paths = [RIGHT, *[replace(gone, node=f"pi{number}") for number in range(2, 7)]]
    said = reason(paths, {one.node: PAYLOAD for one in paths})
    assert [f"pi{number}'s bytes" in said for number in range(1, 7)] == [False, True, True, True, False, False]
    assert said.endswith("2 more nodes are like that")
    assert reason([RIGHT], {"pi1": PAYLOAD}) == ""


def test_what_trial_json_holds() -> None:
    made = as_documents([RIGHT])["pi1"]
    assert made["interfaces"]["5g"]["moved"] == {"received_bytes": 6_300_000, "sent_bytes": 3_150_000}
    assert made["interfaces"]["5g"]["before"] == {"received_bytes": 5_000, "sent_bytes": 7_000}
    assert (made["pinned_by"], made["route_before"]) == ("address", {"device": "wwan0"})
    assert made["seen_by_server"] == {"10.77.3.1": 40}


ROUTE = (
    '[{"dst":"10.78.3.1","gateway":"10.77.3.254","dev":"wwan0","prefsrc":"10.77.3.1","flags":[],"uid":0,"cache":[]}] '
)


def test_a_look_is_read() -> None:
    found = parse_look(f"{ROUTE}\neth0 12 34\nwwan0 5 6\n", DEVICES, "pi1")
    assert found.route == Route(device="wwan0", gateway="10.77.3.254", source="10.77.3.1")
    assert found.counters == {"ethernet": counters(12, 34), "5g": counters(5, 6)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RTNETLINK answers: Network is unreachable ", "RTNETLINK answers: Network is unreachable"),
        ("", "ip printed nothing"),
        ("[]", "[]"),
        ('[{"type":"unreachable"}]', '[{"type":"unreachable"}]'),
    ],
)
def test_where_there_is_no_route_ips_own_words_are_kept(text: str, expected: str) -> None:
    assert parse_route(text) == Route(problem=expected)


def test_what_a_login_prints_is_no_counter() -> None:
    with pytest.raises(RemoteError, match=r"pi1: 'Welcome to pi1!' is no interface's counters"):
        parse_look(f"{ROUTE}\nWelcome to pi1!\n", DEVICES, "pi1")
