from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy_oracle import (
    IP,
    TCP,
    CookedLinux,
    CookedLinuxV2,
    Dot1Q,
    Ether,
    IPv6,
    PcapWriter,
    dissected,
)

from collectors.errors import CaptureError
from collectors.pcap import Packet, read_capture, read_segments

LINKS = {
    "ethernet": (1, lambda: Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")),
    "vlan": (1, lambda: Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / Dot1Q(vlan=7)),
    "sll": (113, CookedLinux),
    "sll2": (276, CookedLinuxV2),
    "raw": (101, None),
}
NETWORKS = {
    "ipv4": lambda: IP(src="10.0.0.1", dst="10.0.0.2"),
    "ipv4-options": lambda: IP(src="10.0.0.1", dst="10.0.0.2", options=[b"\x94\x04\x00\x00"]),
    "ipv6": lambda: IPv6(src="fd00::1", dst="fd00::2"),
}


def made_packets(network: Any, link: Any) -> list[Any]:
    """A SYN with options, data of several lengths, an acknowledgement, a FIN; seconds apart by no round number."""
    segments = [
        TCP(sport=40000, dport=9092, flags="S", seq=2**32 - 2, options=[("MSS", 1460), ("WScale", 7)]),
        TCP(sport=9092, dport=40000, flags="SA", seq=77, ack=2**32 - 1),
        TCP(sport=40000, dport=9092, flags="PA", seq=2**32 - 1, ack=78) / (b"r" * 1448),
        TCP(sport=40000, dport=9092, flags="A", seq=1447, ack=78, options=[("Timestamp", (1, 2))]) / b"x",
        TCP(sport=9092, dport=40000, flags="A", seq=78, ack=1448),
        TCP(sport=9092, dport=40000, flags="FPA", seq=78, ack=1448) / (b"d" * 311),
    ]
    packets = []
    for number, segment in enumerate(segments):
        packet = network() / segment if link is None else link() / network() / segment
        packet.time = 1_700_000_000 + number * 0.001_234
        packets.append(packet)
    return packets


def write(path: Path, packets: list[Any], **options: Any) -> None:
    with PcapWriter(str(path), sync=True, **options) as writer:
        for packet in packets:
            writer.write(packet)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("endianness", "nano", "snaplen"), [("<", False, 65535), (">", True, 96), ("<", True, 96)])
def test_segments_are_those_that_scapy_dissects(
    tmp_path: Path, network: str, link: str, endianness: str, nano: bool, snaplen: int
) -> None:
    link_type, layer = LINKS[link]
    path = tmp_path / "made.pcap"
    packets = made_packets(NETWORKS[network], layer)
    write(path, packets, linktype=link_type, endianness=endianness, nano=nano, snaplen=snaplen)
    read = read_capture(path)
    assert [packet.payload_bytes for packet in read.packets] == [0, 0, 1448, 1, 0, 311]
    assert read.packets == dissected(path)
    assert (read.unread_packets, read.torn_bytes) == (0, 0)


def test_what_is_no_whole_tcp_segment_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    ethernet = LINKS["ethernet"][1]
    assert ethernet is not None
    packets = [
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", proto=17) / b"a datagram of another protocol",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", proto=6, frag=100) / b"the middle of a longer packet",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dataofs=3),
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", len=30) / TCP(),
        ethernet() / b"not IP at all",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5),
    ]
    write(path, packets, linktype=1)
    read = read_capture(path)
    assert [packet.src_port for packet in read.packets] == [5]
    assert read.unread_packets == 5


@given(cut=st.integers(24, 2000))
def test_a_file_cut_anywhere_loses_at_most_its_last_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "made.pcap"
    write(path, made_packets(NETWORKS["ipv4"], None), linktype=101)
    whole = read_segments(path)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    read = read_capture(path)
    assert read.packets == whole[: len(read.packets)]
    kept = 24 + sum(16 + 40 + length for length in (8, 0, 1448, 1 + 12, 0, 311)[: len(read.packets)])
    assert read.torn_bytes == len(content) - kept


@given(st.binary(max_size=400), st.sampled_from([1, 113, 276, 101]))
def test_no_bytes_make_the_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, link_type: int
) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.pcap"
    write(path, [noise[:100], noise[100:], noise], linktype=link_type)
    read = read_capture(path)
    assert len(read.packets) + read.unread_packets == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no pcap file: it starts with nothing"),
        (b"hello, world, this is a text", "no pcap file: it starts with 68656c6c"),
        (b"\xd4\xc3\xb2\xa1" + bytes(10), "no pcap file"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\xff\xff\x00\x00\x7f\x00\x00\x00", "link type 127"),
    ],
)
def test_what_is_no_capture_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CaptureError, match=message):
        read_capture(tmp_path / "file")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        read_segments(tmp_path / "none.pcap")


def recordings() -> list[Path]:
    """Captures of other people's networks, where a folder of them is named; none are in the repository."""
    folder = os.environ.get("FEDPROBE_RECORDINGS")
    return sorted((Path(folder) / "10-pcap").glob("*.pcap")) if folder else []


if recordings():

    @pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
    def test_recordings_read_as_scapy_reads_them(path: Path) -> None:
        read = read_capture(path)
        expected: list[Packet] = dissected(path)
        if read.torn_bytes:
            expected = expected[: len(read.packets)]
        assert read.packets == expected
