"""What a 5G cell can carry by its bandwidth and its frame: the rates of a profile that describes a cell. Pure.

Peak rate of one direction, before the frame is divided: layers x bits x R x resource blocks x 12 / T x (1 - OH), with
R = 948/1024, T = 1 ms / (14 x 2^mu), OH = 0.14 down and 0.08 up. Times the direction's share of the frame's symbols,
times an efficiency, which is what a real cell reaches of that. Source: 3GPP TS 38.306, section 4.1.2 (the peak);
TS 38.101-1, table 5.3.2-1 (resource blocks by bandwidth). The 14 bytes of an Ethernet frame that no radio carries are
not taken off: at most 1 %, far below what is known of the efficiency.
"""

from __future__ import annotations

from dataclasses import dataclass

_CODE_RATE = 948 / 1024
_SUBCARRIERS = 12  # of a resource block
_SYMBOLS = 14  # of a slot
_OVERHEAD = {"downlink": 0.14, "uplink": 0.08}  # frequency range 1
RESOURCE_BLOCKS = {
    15: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 40: 216, 50: 270},
    30: {
        5: 11,
        10: 24,
        15: 38,
        20: 51,
        25: 65,
        30: 78,
        40: 106,
        50: 133,
        60: 162,
        70: 189,
        80: 217,
        90: 245,
        100: 273,
    },
}
"""Subcarrier spacing in kHz -> bandwidth in MHz -> resource blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProfile:
    """A time-division cell. Symbols are counted over one period of its pattern; bits are those of the modulation.

    What of a period is neither uplink nor guard is downlink. Efficiencies are from above 0 to 1.
    """

    bandwidth_mhz: int
    subcarrier_spacing_khz: int
    period_symbols: int
    guard_symbols: int
    uplink_symbols: int
    downlink_layers: int
    uplink_layers: int
    downlink_bits: int
    uplink_bits: int
    downlink_efficiency: float
    uplink_efficiency: float

    @property
    def downlink_symbols(self) -> int:
        """Symbols of a period in which the cell sends."""
        return self.period_symbols - self.guard_symbols - self.uplink_symbols

    @property
    def uplink_share(self) -> float:
        """The share of the period in which devices send."""
        return self.uplink_symbols / self.period_symbols


def impossible(cell: CellProfile) -> str | None:
    """Why no cell is like this; None: it can be."""
    bandwidths = RESOURCE_BLOCKS.get(cell.subcarrier_spacing_khz)
    if bandwidths is None:
        known = ", ".join(str(one) for one in RESOURCE_BLOCKS)
        return f"subcarrier_spacing_khz = {cell.subcarrier_spacing_khz}: expected one of {known}"
    if cell.bandwidth_mhz not in bandwidths:
        known = ", ".join(str(one) for one in bandwidths)
        return f"bandwidth_mhz = {cell.bandwidth_mhz}: with {cell.subcarrier_spacing_khz} kHz expected one of {known}"
    if cell.downlink_symbols < 1:
        return (
            f"uplink_symbols = {cell.uplink_symbols}: with {cell.guard_symbols} of guard nothing of "
            f"{cell.period_symbols} is left for the downlink"
        )
    return None


def rate_bit_per_s(cell: CellProfile, direction: str) -> int:
    """What all devices together can reach in a direction, "downlink" or "uplink"."""
    down = direction == "downlink"
    layers = cell.downlink_layers if down else cell.uplink_layers
    bits = cell.downlink_bits if down else cell.uplink_bits
    efficiency = cell.downlink_efficiency if down else cell.uplink_efficiency
    symbols = cell.downlink_symbols if down else cell.uplink_symbols
    blocks = RESOURCE_BLOCKS[cell.subcarrier_spacing_khz][cell.bandwidth_mhz]
    symbols_per_s = 1000 * _SYMBOLS * (cell.subcarrier_spacing_khz // 15)
    peak = layers * bits * _CODE_RATE * blocks * _SUBCARRIERS * symbols_per_s * (1 - _OVERHEAD[direction])
    return round(peak * symbols / cell.period_symbols * efficiency)
