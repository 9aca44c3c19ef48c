"""Checks of a trial where management shares a measured network: its bytes count there, and harm no verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from analysis.load import Records, SegmentRecords
from instrument.records import SCHEMA_VERSION, Record, Rpc, Sample, Segment
from testbed.checks import FLEET, Devices, all_checks
from testbed.inventory import Security

PAYLOAD = 1_000_000


def segment(role: str, *records: Record, argv: Sequence[str] = ()) -> SegmentRecords:
    header = Segment(
        schema_version=SCHEMA_VERSION,
        host="pi1",
        role=role,
        pid=7,
        clock="monotonic/pi1/1",
        mono_ns=0,
        wall_ns=0,
        exec_mono_ns=0,
        argv=list(argv),
    )
    return SegmentRecords(name=f"pi1-{role}-7", header=header, records=records, end=None)


def counters(device: str, moved: int, packets: int = 0) -> list[Sample]:
    """A device's counters before and after so many bytes, received in so many packets."""
    return [
        Sample(
            collector="interfaces",
            subject=device,
            scheduled_mono_ns=moment,
            mono_ns=moment,
            late_ns=0,
            cost_ns=0,
            values={
                "interface_rx_bytes": bytes_so_far,
                "interface_tx_bytes": 0,
                "interface_rx_packets": packets_so_far,
                "interface_tx_packets": 0,
            },
        )
        for moment, bytes_so_far, packets_so_far in ((0, 0, 0), (1, moved, packets))
    ]


def judged(eth0: int, wlan0: int, shared: Collection[str]) -> tuple[bool, bool]:
    """Whether the counters and the silence of a node hold, of a trial over wifi with a megabyte of payload."""
    records = Records(
        segments=[
            segment("flower-supernode", attempt(PAYLOAD)),
            segment("collector", *counters("eth0", eth0), *counters("wlan0", wlan0)),
        ]
    )
    devices = Devices(node="pi1", by_network={"ethernet": "eth0", "wifi": "wlan0"}, interface="wifi", shared=shared)
    by_name = {check.name: check for check in all_checks(records, [devices], [])}
    return by_name["pi1: counters of wlan0"].passed, by_name["pi1: silence elsewhere"].passed


@pytest.mark.parametrize(
    ("eth0", "wlan0", "shared", "passed"),
    [
        (0, PAYLOAD * 107 // 100, (), (True, True)),
        (50_000, PAYLOAD * 107 // 100, (), (True, False)),
        (50_000, PAYLOAD * 107 // 100, ("ethernet",), (True, True)),
        (0, PAYLOAD * 2, (), (False, True)),
        (0, PAYLOAD * 2, ("wifi",), (True, True)),
        (0, PAYLOAD // 2, ("wifi",), (False, True)),
    ],
)
def test_management_is_counted_and_held_against_nobody_where_it_is_declared(
    eth0: int, wlan0: int, shared: tuple[str, ...], passed: tuple[bool, bool]
) -> None:
    assert judged(eth0, wlan0, shared) == passed


def attempt(request_bytes: int, status: int | None = 200) -> Rpc:
    return Rpc(
        method=f"{FLEET}PushObject",
        server="s",
        start_mono_ns=0,
        end_mono_ns=1,
        request_bytes=request_bytes,
        status=status,
    )


@pytest.mark.parametrize(
    ("attempts", "moved", "packets", "passed"),
    [
        pytest.param([attempt(PAYLOAD)], 1_060_000, 900, True, id="headers of full frames"),
        pytest.param([attempt(PAYLOAD)], 1_130_000, 1_300, True, id="acknowledgements, and some sent again"),
        pytest.param([attempt(PAYLOAD)], 1_170_000, 900, False, id="other traffic, in full frames"),
        pytest.param([attempt(PAYLOAD)], PAYLOAD - 1, 900, False, id="less than the payload"),
        pytest.param([attempt(10)] * 50, 50 * (10 + 900) + 66 * 400, 400, True, id="next to nothing but headers"),
        pytest.param([attempt(10)] * 50, 1_000_000, 900, False, id="next to nothing, and other traffic"),
        pytest.param(
            [attempt(PAYLOAD, None), attempt(PAYLOAD)], 1_900_000, 1_500, True, id="an attempt without an answer"
        ),
    ],
)
def test_counters_hold_the_payload_and_what_carrying_it_takes(
    attempts: list[Rpc], moved: int, packets: int, passed: bool
) -> None:
    records = Records(
        segments=[segment("flower-supernode", *attempts), segment("collector", *counters("eth0", moved, packets))]
    )
    devices = Devices(node="pi1", by_network={"ethernet": "eth0"}, interface="ethernet")
    by_name = {check.name: check for check in all_checks(records, [devices], [])}
    check = by_name["pi1: counters of eth0"]
    assert check.passed == passed
    assert f"{packets} packets and {len(attempts)} requests" in check.detail


SUPERLINK = ["flower-superlink", "--ssl-certfile", "server.pem", "--enable-supernode-auth"]
SUPERNODE = ["flower-supernode", "--root-certificates", "authority.pem", "--auth-supernode-private-key", "..."]


@pytest.mark.parametrize(
    ("security", "superlink", "supernode", "detail"),
    [
        ("tls", SUPERLINK, SUPERNODE, "TLS: 1 SuperLink, 1 SuperNodes"),
        ("tls+supernode-auth", SUPERLINK, SUPERNODE, "TLS and SuperNode authentication: 1 SuperLink, 1 SuperNodes"),
        ("tls", SUPERLINK, ["flower-supernode", "--insecure"], "flower-supernode on pi1 without TLS"),
        ("tls", [*SUPERLINK, "--insecure"], SUPERNODE, "flower-superlink on pi1 without TLS"),
        (
            "tls+supernode-auth",
            SUPERLINK[:3],
            SUPERNODE,
            "flower-superlink on pi1 without SuperNode authentication",
        ),
        (
            "tls+supernode-auth",
            SUPERLINK,
            SUPERNODE[:3],
            "flower-supernode on pi1 without SuperNode authentication",
        ),
    ],
)
def test_security_is_what_the_processes_were_told(
    security: Security, superlink: list[str], supernode: list[str], detail: str
) -> None:
    told = [("flower-superlink", superlink), ("flower-supernode", supernode)]
    segments = [segment(role, argv=argv) for role, argv in told]
    checks = all_checks(Records(segments=segments), [], [], security=security)
    (check,) = [one for one in checks if one.name == "security"]
    assert check.detail == detail
    assert check.passed is ("without" not in detail)


def test_security_that_was_not_asked_for_is_not_checked() -> None:
    assert "security" not in {check.name for check in all_checks(Records(segments=[]), [], [])}
