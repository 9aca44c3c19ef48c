"""What scapy reads out of a capture file: the oracle that the fast reader is held against."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from collectors.segments import HEAD_BYTES, Packet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scapy's own imports use what its libraries have deprecated
    from scapy.config import conf
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import (
        IPv6,
        IPv6ExtHdrDestOpt,
        IPv6ExtHdrFragment,
        IPv6ExtHdrHopByHop,
        IPv6ExtHdrRouting,
        Jumbo,
    )
    from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether
    from scapy.packet import Raw
    from scapy.utils import RawPcapNgReader, RawPcapReader

__all__ = [
    "IP",
    "TCP",
    "CookedLinux",
    "CookedLinuxV2",
    "Dot1AD",
    "Dot1Q",
    "Ether",
    "IPv6",
    "IPv6ExtHdrDestOpt",
    "IPv6ExtHdrFragment",
    "IPv6ExtHdrHopByHop",
    "IPv6ExtHdrRouting",
    "Jumbo",
    "dissected",
]


def dissected(path: Path) -> list[Packet]:
    """The TCP segments of a file in its order, as scapy dissects them; malformed ones are left out."""
    found = []
    with path.open("rb") as stream, RawPcapReader(stream) as reader:  # type: ignore[arg-type]
        for data, about in reader:
            if isinstance(reader, RawPcapNgReader):
                link_type, wall_ns = about.linktype, (about.tshigh << 32 | about.tslow) * 10**9 // about.tsresol
            else:
                link_type = reader.linktype & 0xFFFF
                wall_ns = about.sec * 10**9 + about.usec * (1 if reader.nano else 1000)
            whole = conf.l2types[link_type](data)
            if TCP in whole:
                packet = _segment(whole, wall_ns, about.wirelen)
                if packet.payload_bytes >= 0:
                    found.append(packet)
    return found


def _segment(whole: Any, wall_ns: int, wire_bytes: int) -> Packet:
    network = whole[IP] if IP in whole else whole[IPv6]
    tcp = whole[TCP]
    link_bytes = _bytes_before(whole, network)
    headers_bytes = _bytes_before(network, tcp)
    if isinstance(network, IP):
        after_headers = network.len - headers_bytes if network.len else wire_bytes - link_bytes - headers_bytes
    else:
        after_headers = (network.plen + 40 if network.plen else wire_bytes - link_bytes) - headers_bytes
    payload_bytes = after_headers - tcp.dataofs * 4
    return Packet(
        wall_ns=wall_ns,
        src=network.src,
        src_port=tcp.sport,
        dst=network.dst,
        dst_port=tcp.dport,
        seq=tcp.seq,
        ack=tcp.ack,
        flags=int(tcp.flags) & 0xFF,
        payload_bytes=payload_bytes,
        frame_bytes=wire_bytes,
        payload_head=tcp[Raw].load[: min(HEAD_BYTES, max(0, payload_bytes))] if Raw in tcp else b"",
    )


def _bytes_before(outer: Any, inner: Any) -> int:
    total = 0
    while outer is not inner:
        total += len(outer.self_build())
        outer = outer.payload
    return total
