from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from capture_writer import ENHANCED, PcapngWriter, pcap_file
from hypothesis import given
from hypothesis import strategies as st
from scapy_oracle import (
    IP,
    TCP,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1Q,
    Ether,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Jumbo,
    dissected,
)

from collectors.errors import CaptureError
from collectors.pcap import read_capture, read_segments
from collectors.segments import Packet


def ethernet() -> Any:
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


LINKS = {
    "ethernet": (1, ethernet),
    "vlan": (1, lambda: ethernet() / Dot1Q(vlan=7)),
    "qinq": (1, lambda: ethernet() / Dot1AD(vlan=7) / Dot1Q(vlan=8)),
    "sll": (113, CookedLinux),
    "sll2": (276, CookedLinuxV2),
    "raw": (101, None),
}
NETWORKS = {
    "ipv4": lambda: IP(src="10.0.0.1", dst="10.0.0.2"),
    "ipv4-options": lambda: IP(src="10.0.0.1", dst="10.0.0.2", options=[b"\x94\x04\x00\x00"]),
    "ipv6": lambda: IPv6(src="fd00::1", dst="fd00::2"),
    "ipv6-extended": lambda: (
        IPv6(src="fd00::1", dst="fd00::2")
        / IPv6ExtHdrHopByHop()
        / IPv6ExtHdrRouting(addresses=["fd00::3"], segleft=0)
        / IPv6ExtHdrDestOpt()
    ),
    "ipv6-atomic-fragment": lambda: IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrFragment(id=5),
}


def made_packets(network: Any, link: Any) -> list[bytes]:
    """A SYN with options, data of several lengths, an acknowledgement, a FIN."""
    segments = [
        TCP(sport=40000, dport=9092, flags="S", seq=2**32 - 2, options=[("MSS", 1460), ("WScale", 7)]),
        TCP(sport=9092, dport=40000, flags="SA", seq=77, ack=2**32 - 1),
        TCP(sport=40000, dport=9092, flags="PA", seq=2**32 - 1, ack=78) / (b"r" * 1448),
        TCP(sport=40000, dport=9092, flags="A", seq=1447, ack=78, options=[("Timestamp", (1, 2))]) / b"x",
        TCP(sport=9092, dport=40000, flags="A", seq=78, ack=1448),
        TCP(sport=9092, dport=40000, flags="FPA", seq=78, ack=1448) / (b"d" * 311),
    ]
    return [bytes(network() / segment if link is None else link() / network() / segment) for segment in segments]


def stamped(packets: Iterable[Any]) -> list[tuple[int, bytes]]:
    """Packets with wall stamps that are no round number in any unit."""
    return [(1_700_000_000_123_456_789 + number * 1_000_000_007, bytes(one)) for number, one in enumerate(packets)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("order", "nano", "snaplen"), [("<", False, 65535), (">", True, 128), ("<", True, 128)])
def test_segments_are_those_that_scapy_dissects(
    tmp_path: Path, network: str, link: str, order: str, nano: bool, snaplen: int
) -> None:
    link_type, layer = LINKS[link]
    path = tmp_path / "made.pcap"
    packets = made_packets(NETWORKS[network], layer)
    path.write_bytes(pcap_file(link_type, stamped(packets), order=order, nano=nano, snaplen=snaplen))
    read = read_capture(path)
    assert [packet.payload_bytes for packet in read.packets] == [0, 0, 1448, 1, 0, 311]
    assert [packet.frame_bytes for packet in read.packets] == [len(packet) for packet in packets]
    walls_ns = [wall_ns if nano else wall_ns // 1000 * 1000 for wall_ns, _ in stamped(packets)]
    assert [packet.wall_ns for packet in read.packets] == walls_ns
    assert read.packets == dissected(path)
    assert (read.unread_packets, read.torn_bytes) == (0, 0)


@pytest.mark.parametrize("link", ["ethernet", "raw"])
@pytest.mark.parametrize("network", ["ipv4", "ipv4-options", "ipv6"])
def test_a_snap_length_of_96_keeps_what_is_read(tmp_path: Path, network: str, link: str) -> None:
    link_type, layer = LINKS[link]
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap_file(link_type, stamped(made_packets(NETWORKS[network], layer)), snaplen=96))
    read = read_capture(path)
    assert [packet.payload_bytes for packet in read.packets] == [0, 0, 1448, 1, 0, 311]
    assert [packet.payload_head for packet in read.packets] == [b"", b"", b"r" * 12, b"x", b"", b"d" * 12]
    assert read.packets == dissected(path)


@pytest.mark.parametrize(("order", "resolution"), [("<", 9), (">", 9), ("<", 6)])
def test_pcapng_is_read_as_the_same_packets(tmp_path: Path, order: str, resolution: int) -> None:
    path = tmp_path / "made.pcapng"
    packets = made_packets(NETWORKS["ipv4"], ethernet)
    ticks = [(1_700_000_000_123_456_789 + number) // 10 ** (9 - resolution) for number in range(len(packets))]
    path.write_bytes(PcapngWriter(order, resolution).file(1, zip(ticks, packets, strict=True)))
    read = read_capture(path)
    assert [packet.wall_ns for packet in read.packets] == [tick * 10 ** (9 - resolution) for tick in ticks]
    assert read.packets == dissected(path)
    assert (len(read.packets), read.unread_packets, read.torn_bytes) == (6, 0, 0)


def test_pcapng_may_have_interfaces_of_several_link_types(tmp_path: Path) -> None:
    writer, path = PcapngWriter(), tmp_path / "made.pcapng"
    framed, raw = (made_packets(NETWORKS["ipv4"], link)[2] for link in (ethernet, None))
    blocks = [writer.section(), writer.interface(1), writer.interface(101)]
    blocks += [writer.packet(7, framed), writer.packet(8, raw, interface=1), writer.simple(framed)]
    path.write_bytes(b"".join(blocks))
    read = read_capture(path)
    assert [(packet.wall_ns, packet.payload_bytes) for packet in read.packets] == [(7, 1448), (8, 1448)]
    assert read.unread_packets == 1  # a simple packet has no stamp


@pytest.mark.parametrize("link", ["ethernet", "raw"])
@pytest.mark.parametrize("network", ["ipv4", "ipv6"])
def test_packets_longer_than_the_mtu_are_read(tmp_path: Path, network: str, link: str) -> None:
    """Segmentation offload: 40 kB with a length, and 70 kB for which the header has no room and says 0."""
    link_type, layer = LINKS[link]
    tcp = TCP(sport=40000, dport=9092, flags="A", seq=5, ack=6)
    packets = []
    for payload, length in ((b"r" * 40_000, None), (b"d" * 70_000, 0)):
        inside = NETWORKS[network]()
        inside.setfieldval("len" if network == "ipv4" else "plen", length)
        if network == "ipv6" and length == 0:
            inside /= IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=8 + 20 + len(payload))])
        whole = inside / tcp / payload
        packets.append(layer() / whole if layer else whole)
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap_file(link_type, stamped(packets), snaplen=96))
    read = read_capture(path)
    assert [packet.payload_bytes for packet in read.packets] == [40_000, 70_000]
    assert read.packets == dissected(path)


def test_records_longer_than_64_kib_do_not_stop_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    big = ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", len=0) / TCP(sport=1) / (b"d" * 300_000)
    path.write_bytes(pcap_file(1, stamped([big, *made_packets(NETWORKS["ipv4"], ethernet)]), snaplen=400_000))
    read = read_capture(path)
    assert [packet.payload_bytes for packet in read.packets] == [300_000, 0, 0, 1448, 1, 0, 311]
    assert read.torn_bytes == 0


@pytest.mark.parametrize("kept", range(14, 66))
def test_a_packet_cut_within_its_headers_is_counted_and_one_cut_after_them_is_read(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap_file(1, stamped(made_packets(NETWORKS["ipv4"], ethernet)[2:3]), snaplen=kept))
    read = read_capture(path)
    whole = kept >= 14 + 20 + 14  # up to TCP's flags
    assert (len(read.packets), read.unread_packets) == (whole, not whole)
    assert [packet.payload_bytes for packet in read.packets] == [1448] * whole


def test_what_is_no_whole_tcp_segment_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    packets = [
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", proto=17) / b"a datagram of another protocol",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", proto=6, frag=100) / b"the middle of a longer packet",
        ethernet() / IPv6(nh=44) / IPv6ExtHdrFragment(nh=6, offset=9, m=1) / b"the middle of a longer packet",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dataofs=3),
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2", len=30) / TCP(),
        ethernet() / b"not IP at all",
        ethernet() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5),
    ]
    path.write_bytes(pcap_file(1, stamped(packets)))
    read = read_capture(path)
    assert [packet.src_port for packet in read.packets] == [5]
    assert read.unread_packets == 6


@given(cut=st.integers(24, 2000))
def test_a_file_cut_anywhere_loses_at_most_its_last_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "made.pcap"
    path.write_bytes(pcap_file(101, stamped(made_packets(NETWORKS["ipv4"], None))))
    whole = read_segments(path)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    read = read_capture(path)
    assert read.packets == whole[: len(read.packets)]
    kept = 24 + sum(16 + 40 + length for length in (8, 0, 1448, 1 + 12, 0, 311)[: len(read.packets)])
    assert read.torn_bytes == len(content) - kept


@given(data=st.data(), order=st.sampled_from("<>"))
def test_a_pcapng_file_cut_anywhere_loses_at_most_its_last_block(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, order: str
) -> None:
    writer, path = PcapngWriter(order), tmp_path_factory.mktemp("cut") / "made.pcapng"
    packets = made_packets(NETWORKS["ipv4"], None)
    start = writer.section() + writer.interface(101)
    blocks = [writer.packet(number, packet) for number, packet in enumerate(packets)] + [writer.statistics()]
    content = start + b"".join(blocks)
    content = content[: data.draw(st.integers(len(start), len(content)))]
    path.write_bytes(content)
    read = read_capture(path)
    assert [packet.wall_ns for packet in read.packets] == list(range(len(read.packets)))
    ends = [len(start + b"".join(blocks[:count])) for count in range(len(blocks) + 1)]
    whole = max(count for count, end in enumerate(ends) if end <= len(content))
    assert len(read.packets) == min(whole, len(packets))
    assert read.torn_bytes == len(content) - ends[whole]


@pytest.mark.parametrize("damage", ["length", "content"])
def test_a_damaged_pcapng_file_yields_what_is_before_the_damage(tmp_path: Path, damage: str) -> None:
    writer, path = PcapngWriter(), tmp_path / "made.pcapng"
    packet = writer.packet(7, made_packets(NETWORKS["ipv4"], None)[2])
    damaged = packet[:4] + b"\x03\x00\x00\x00" + packet[8:] if damage == "length" else writer.block(ENHANCED, b"x")
    path.write_bytes(writer.section() + writer.interface(101) + packet + damaged + packet)
    read = read_capture(path)
    assert (len(read.packets), read.torn_bytes) == (1, len(damaged) + len(packet))


def test_what_fills_a_short_frame_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    frame = bytes(ethernet() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(flags="A") / b"x").ljust(60, b"\0")
    path.write_bytes(pcap_file(1, stamped([frame])))
    (packet,) = read_segments(path)
    assert (packet.payload_bytes, packet.payload_head, packet.frame_bytes) == (1, b"x", 60)
    assert [packet] == dissected(path)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_gzip_file_is_read_as_what_is_in_it(tmp_path: Path, form: str) -> None:
    packets = stamped(made_packets(NETWORKS["ipv4"], ethernet))
    plain, packed = tmp_path / "made", tmp_path / "made.gz"
    plain.write_bytes(pcap_file(1, packets) if form == "pcap" else PcapngWriter().file(1, packets))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_capture(packed) == read_capture(plain)
    assert len(read_capture(packed).packets) == 6


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_gzip_file_that_ends_too_early_yields_what_is_there_and_says_so(tmp_path: Path, form: str) -> None:
    start = made_packets(NETWORKS["ipv4"], ethernet)[2][:60]
    packets = stamped(start + os.urandom(30) for _ in range(3_000))
    content = pcap_file(1, packets) if form == "pcap" else PcapngWriter().file(1, packets)
    packed = gzip.compress(content)
    path = tmp_path / "made.gz"
    path.write_bytes(packed[: len(packed) // 2])
    read = read_capture(path)
    assert 1_000 < len(read.packets) < 2_000
    assert read.torn_bytes >= 1
    path.write_bytes(packed[:-4])
    assert (len(read_capture(path).packets), read_capture(path).torn_bytes) == (3_000, 1)


@given(st.binary(max_size=400), st.sampled_from([1, 113, 276, 101]))
def test_no_bytes_make_the_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, link_type: int
) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.pcap"
    path.write_bytes(pcap_file(link_type, stamped([noise[:100], noise[100:], noise])))
    read = read_capture(path)
    assert len(read.packets) + read.unread_packets == 3


@given(
    start=st.sampled_from([b"", b"\xd4\xc3\xb2\xa1", b"\x1f\x8b\x08\x00", PcapngWriter().file(1, [(7, bytes(60))])]),
    noise=st.binary(max_size=400),
)
def test_no_file_makes_the_reader_fail_in_another_way_than_its_own(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.pcap"
    path.write_bytes(start + noise)
    with suppress(CaptureError):
        read_capture(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no capture file: it is empty"),
        (b"hello, world, this is a text", "no capture file: it starts with 68656c6c"),
        (b"\xd4\xc3\xb2\xa1" + bytes(10), "no capture file: .* no whole header"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "no capture file: .* no whole header"),
        (gzip.compress(b"hello, world, this is a text"), "no capture file: it starts with 1f8b"),
        (gzip.compress(b"hello, world, this is a text")[:9], "no capture file: it starts with 1f8b"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\xff\xff\x00\x00\x7f\x00\x00\x00", "link type 127"),
        (PcapngWriter().file(127, [(1, b"x")]), "link type 127"),
    ],
)
def test_what_is_no_capture_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CaptureError, match=message):
        read_capture(tmp_path / "file")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        read_segments(tmp_path / "none.pcap")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="Is a directory"):
        read_segments(tmp_path)


def test_scapy_is_loaded_where_a_file_is_read_and_then_without_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap_file(101, stamped(made_packets(NETWORKS["ipv4"], None))))
    program = (
        "import sys, pathlib, collectors.run, collectors.packets\n"
        "print(any(name.startswith(('scapy', 'numpy')) for name in sys.modules))\n"
        "print(len(collectors.packets.read_segments(pathlib.Path(sys.argv[1]))))\n"
        "print('scapy.utils' in sys.modules, any(name.startswith('scapy.layers') for name in sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "6", "True", "False"]
    assert run.stderr == ""


def test_a_torn_file_is_told_by_us_and_not_by_scapy_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "made.pcap"
    path.write_bytes(pcap_file(101, stamped(made_packets(NETWORKS["ipv4"], None)))[:-5])
    assert read_capture(path).torn_bytes > 0
    assert capfd.readouterr().err == ""


def recordings() -> list[Path]:
    """Captures of other people's networks, where a folder of them is named; none are in the repository."""
    folder = os.environ.get("FEDPROBE_RECORDINGS")
    return sorted((Path(folder) / "10-pcap").glob("*.pcap*")) if folder else []


if recordings():

    @pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
    def test_recordings_read_as_scapy_reads_them(path: Path) -> None:
        read = read_capture(path)
        expected: list[Packet] = dissected(path)
        if read.torn_bytes:
            expected = expected[: len(read.packets)]
        assert read.packets == expected
