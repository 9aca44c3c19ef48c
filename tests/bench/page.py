"""docs/benchmarks.md, written by the benchmark and never by hand."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.arms import BACK_OFF_S, LOCAL_EPOCHS, REPLY_WAIT_S, SETTLE_S, WAIT_S
from tests.bench.report import Figures
from tests.bench.table import Row, machine, markdown


def page(found: Figures, table: Sequence[Row]) -> str:
    """The whole page."""
    return f"""\
# What the instrument costs

Written by `make bench`; do not edit. {machine()}.

{markdown(table)}
How the figures are made:

* **Rounds.** Two Flower deployments stand side by side on the emulated Ethernet, each a SuperLink and one
  SuperNode, alike but for `FEDPROBE_DISABLE=1` in one. The quickstart's 2.9 MB model goes down, is trained for
  {LOCAL_EPOCHS} epochs on all 1,259 samples (about 5 s of a core on the machine that this was written on), and
  goes up: a round of about the quickstart's length. Much of what the probes add comes with the start of a ClientApp
  and with the transfers, and does not grow with the training: of a shorter round it is a larger share. Rounds are
  released one at a time, with first, without first, and so on; the cold first rounds do not count. Each block has
  fresh deployments, and the arms change places. A round's time is read by the app itself in the ServerApp, from
  before its configuration to before the next one's, in both arms alike.
* **Fast waits.** In both arms Flower's waits are {WAIT_S:g} s at most, {REPLY_WAIT_S:g} s where a reply is waited
  for, and {BACK_OFF_S:g} s for an object that is still on its way. They end at ticks whose phases are drawn for
  each pair and are the same in its two rounds: else the difference of two rounds would mostly be one of luck.
* **Intervals** of pairs are over blocks (Student's t on {found.rounds.ratio.n} pairs clustered by block), of
  microseconds over batches. Ratios are typical ones: means of logarithms.
* **Processor seconds** are those of all Flower processes of a deployment, from /proc, from a round's release until
  {SETTLE_S:g} s after its end, when its ClientApp has ended and the probes have written their records.
* **On the wire** is by tcpdump at the client over the emulated 5G, in both arms; t_u is from an upload's first
  packet to the acknowledgement of its last byte. Idle requests are the SuperNode's polls, with the fast waits.
* **The hook around a request** is all that is done on the thread of a request: it is one record each, of many clock
  readings. The writer's thread encodes and writes beside it; that is part of the processor seconds. Of an object
  the kernel is asked when its last bytes came, which is a system call more.
* **The hot path, a record**: each kind's cost, weighed by how many of it the Flower processes of the rounds above
  wrote. The limit is held by this mean, by a span and by a hand-over; single kinds may cost more, as their rows say.
"""
