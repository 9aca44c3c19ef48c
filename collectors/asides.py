"""Bytes of a connection that are of no request and no response: TLS's own, and interim responses of HTTP.

They are told by the first seven bytes of packets, which a snap length of 96 keeps, and by numbers; nothing is
decrypted.
A TLS record begins with its type (20 change cipher spec, 21 alert, 22 handshake, 23 application data), its version
and its length, and one that begins a message begins a packet. TLS 1.3 hides what it can behind type 23:
* the client's Finished follows its change cipher spec; where it sends none, its record is 53 or 69 bytes long;
* session tickets are the server's first records after that, all of one length: as many as there are where the first
  of them was sent before the server had any byte of a request, else two, which OpenSSL sends by default;
* close_notify is a record of 19 bytes, the last before the FIN of the end that closes first, or an answer to that, or
  the last before the other end's RST where no FIN was sent;
* an interim response is a record of at most 50 bytes where a response should begin.
Not told: another number of tickets that the server sent after it had some of a request, messages of a client's
certificate in TLS 1.3 after the first packet of it, and renegotiation. They count as bytes of the request or response
that they stand next to. Where a server without tickets gives two equal short responses and then others, they are
taken for tickets.
Sources: RFC 8446, sections 4.6.1, 5.1, 6.1 and D.4; RFC 5246, section 6.2.1; RFC 9110, section 15.2.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from collectors.connections import Conversation, Piece, Stream

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION = 20, 21, 22, 23
_RECORD_HEADER_BYTES = 5
_FINISHED = ((1, 53), (1, 69))  # one record: type, length, hash of 32 or 48 bytes, content type, tag of 16: TLS 1.3
_CLOSE_NOTIFY = (1, 19)  # one record: level, description, content type, tag of 16: TLS 1.3
_TICKETS = 2  # that OpenSSL sends by default
_LONGEST_TICKET_BYTES = 1024  # OpenSSL's are 250 bytes; a first response that streams has records of up to 16 KiB
# "HTTP/1.1 100 Continue" and its two line ends are 25 bytes, 49 as a record of TLS 1.2, 42 of 1.3. A final response
# has a date (RFC 9110, section 6.6.1), and with that at least 56.
_LONGEST_INTERIM_BYTES = 50
_INTERIM = b"HTTP/1.1 1"
_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"PATCH ", b"DELETE ", b"OPTIONS ", b"CONNECT ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asides:
    """Where the asides of a connection are, as positions in its two streams.

    `opening_end` and `tickets_end`: what is below is TLS's handshake (the client's) and its answers with the session
    tickets (the server's); 0 where there is none. `client_end` and `server_end`: what is from there on closes TLS.
    `interim` are interim responses, as end by start; those that are encrypted are so only where a response should
    begin. `request_lines` are where packets begin as an HTTP request does, in order.
    """

    opening_end: int
    tickets_end: int
    client_end: int
    server_end: int
    interim: dict[int, int]
    request_lines: list[int]

    def final_from(self, start: int) -> int:
        """Where a response goes on behind the interim ones at its start."""
        while start in self.interim:
            start = self.interim[start]
        return start

    def request_line_in(self, start: int, end: int) -> int:
        """Where in [start, end) a packet begins as a request does; `end` where none does."""
        place = bisect_left(self.request_lines, start)
        return min(end, self.request_lines[place]) if place < len(self.request_lines) else end


def asides(conversation: Conversation) -> Asides:
    """What of a connection is no request and no response."""
    client, server = conversation.uplink, conversation.downlink
    sent = sorted(client.pieces)
    encrypted = bool(sent) and _record_type(sent[0]) in (_HANDSHAKE, _APPLICATION)
    if not encrypted:
        return Asides(
            opening_end=0,
            tickets_end=0,
            client_end=_end(client),
            server_end=_end(server),
            interim=_shortest(piece for piece in server.pieces if piece.head.startswith(_INTERIM)),
            request_lines=[piece.start for piece in sent if piece.head.startswith(_METHODS)],
        )
    opening = _opening(sent) if _record_type(sent[0]) == _HANDSHAKE else []
    opening_end = max((piece.end for piece in opening), default=0)
    return Asides(
        opening_end=opening_end,
        tickets_end=_server_opening_end(sorted(server.pieces), opening, opening_end) if opening else 0,
        client_end=_closing_start(client, server),
        server_end=_closing_start(server, client),
        interim=_shortest(piece for piece in server.pieces if _may_be_interim(piece)),
        request_lines=[],
    )


def _record_type(piece: Piece) -> int | None:
    """The type of the TLS record at a packet's start; None where none starts there."""
    head = piece.head
    return head[0] if len(head) > 1 and _CHANGE_CIPHER_SPEC <= head[0] <= _APPLICATION and head[1] == 3 else None


def _record_length(piece: Piece) -> int | None:
    """The length of the record of application data at a packet's start; None where none starts there."""
    seen = _record_type(piece) == _APPLICATION and len(piece.head) >= _RECORD_HEADER_BYTES
    return piece.head[3] << 8 | piece.head[4] if seen else None


def _records(piece: Piece) -> tuple[int, int]:
    """How many whole records of one length a packet may consist of, and that length; (0, 0) where it cannot."""
    if len(piece.head) < _RECORD_HEADER_BYTES:
        return 0, 0
    length = piece.head[3] << 8 | piece.head[4]
    count, rest = divmod(piece.end - piece.start, _RECORD_HEADER_BYTES + length)
    return (0, 0) if rest else (count, length)


def _opening(sent: list[Piece]) -> list[Piece]:
    """The client's packets that begin a message of the handshake, up to its first application data."""
    opening: list[Piece] = []
    for piece in sent:
        kind = _record_type(piece)
        if kind == _APPLICATION:
            alone = len({one.start for one in opening}) == 1  # ClientHello: no change cipher spec came
            return [*opening, piece] if alone and _records(piece) in _FINISHED else opening
        if kind in (_HANDSHAKE, _CHANGE_CIPHER_SPEC):
            opening.append(piece)
    return opening


def _server_opening_end(sent: Iterable[Piece], opening: Sequence[Piece], opening_end: int) -> int:
    """Where the server's own messages of TLS end: those of the handshake, then its session tickets."""
    last = next(piece for piece in opening if piece.end == opening_end)
    # what the client had of the server's when it sent the last of its handshake
    answered = min(piece.ack for piece in opening if piece.end == opening_end)
    after = [piece for piece in sent if piece.start >= answered]
    if last.head[0] != _APPLICATION and last.head[6:7] != bytes([_APPLICATION]):  # not TLS 1.3: types are visible
        own = takewhile(lambda piece: _record_type(piece) in (_HANDSHAKE, _CHANGE_CIPHER_SPEC), after)
        return max((piece.end for piece in own), default=answered)
    return _tickets_end(after, opening_end) or answered


def _tickets_end(after: Sequence[Piece], opening_end: int) -> int | None:
    """Where the tickets end with which what the server sent after its handshake begins; None where there are none."""
    length = _record_length(after[0]) if after else None
    if length is None or length > _LONGEST_TICKET_BYTES:
        return None
    end, count = after[0].start, 0
    for piece in after:
        if piece.start > end or (piece.start == end and _record_length(piece) != length):
            break
        if piece.start == end:
            records = _records(piece)[0] or 1  # what follows it in its packet is no ticket
            count += records
            end += records * (_RECORD_HEADER_BYTES + length)
    before_any_request = min(piece.ack for piece in after if piece.start == after[0].start) <= opening_end
    return end if before_any_request or count == _TICKETS else None


def _end(stream: Stream) -> int:
    return max((piece.end for piece in stream.pieces), default=0)


def _closing_start(stream: Stream, other: Stream) -> int:
    """Where a stream's close_notify begins; its end where it has none."""
    last = _last_record(stream)
    if last is None or not (stream.fin or other.fin or other.reset):
        return _end(stream)
    if stream.fin is None and other.fin is None:  # the other end heard it, and reset the connection
        return last.start
    if _closes_first(stream, other):
        return last.start
    asked = _last_record(other)
    heard = asked.start if asked else other.fin.position if other.fin else 0
    return last.start if last.ack > heard else _end(stream)


def _closes_first(stream: Stream, other: Stream) -> bool:
    """Whether a stream's FIN is its own decision, not the answer to the other's."""
    return stream.fin is not None and (other.fin is None or stream.fin.ack <= other.fin.position)


def _last_record(stream: Stream) -> Piece | None:
    """The last packet of a stream, where it is one record that can be an alert."""
    end = _end(stream)
    for piece in stream.pieces:
        kind = _record_type(piece) if piece.end == end else None
        if kind == _ALERT or (kind == _APPLICATION and _records(piece) == _CLOSE_NOTIFY):
            return piece
    return None


def _may_be_interim(piece: Piece) -> bool:
    count, length = _records(piece)
    return count == 1 and length <= _LONGEST_INTERIM_BYTES and _record_type(piece) == _APPLICATION


def _shortest(pieces: Iterable[Piece]) -> dict[int, int]:
    """End by start; of several packets with the same start the shortest."""
    found: dict[int, int] = {}
    for piece in pieces:
        found[piece.start] = min(piece.end, found.get(piece.start, piece.end))
    return found
