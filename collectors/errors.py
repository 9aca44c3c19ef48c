"""What can be wrong with what a collector was asked to do; each is told in one line, without a traceback.

CollectError
 ├── UnknownCollectorError   a name that the table does not have
 ├── CaptureError            a device, program or file that a packet capture needs
 │    └── NoCaptureError     this host cannot capture, whatever it is asked: collecting goes on without
 └── ClockServerError        a clock server that cannot be bound or does not answer
"""


class CollectError(Exception):
    """The base of all of these."""


class UnknownCollectorError(CollectError):
    """A collector was asked for by a name that is not in the table."""


class CaptureError(CollectError):
    """Packets cannot be captured, or a capture file cannot be read."""


class NoCaptureError(CaptureError):
    """This host has no tcpdump, or does not let it capture."""


class ClockServerError(CollectError):
    """The clock responder cannot be bound, or a clock server does not answer."""
