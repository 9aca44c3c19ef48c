r"""Points as InfluxDB's line protocol, for the servers of versions 1, 2 and 3.

`measurement,tag=value,... field=value,... time`, one point a line. In names and tags a comma, a space and an equals
sign have a backslash before them; in strings, which stand in double quotes, a double quote and a backslash have.
Integers end in `i`; a float keeps its decimal point or exponent.

Names and tags have no escape for a control character, nor tags for a backslash at their end (it would escape the
separator that follows), nor names for any backslash, nor a field's name for a double quote (influxdb 1.6 reads those
otherwise): `line` refuses them. `tag_value` makes of any text one that can be written. Strings hold any character,
line breaks too.
Sources: InfluxData, "Line protocol reference" (1.8 and 2); the parser of influxdb 1.6, models/points.go, which
takes a character in a name or tag as escaped where a backslash stands right before it.
"""

from __future__ import annotations

import math
import re

from analysis.influx.point import FieldValue, Point

INT_LOW, INT_HIGH = -(2**63), 2**63 - 1
LONGEST_KEY = 65535  # bytes of a measurement with its tags; influxdb refuses more
LONGEST_STRING = 65535  # bytes; what InfluxDB 2 takes
NONE = "none"  # the value of a tag that would be empty

_ESCAPES = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_MEASUREMENT_ESCAPES = str.maketrans({",": r"\,", " ": r"\ "})
_STRING_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\"})
# what a name or tag cannot hold: control characters, line and paragraph separators, halves of a surrogate pair
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


class LineError(ValueError):
    """A point that line protocol cannot express, or that a server would understand otherwise."""


def line(point: Point) -> str:
    """The point's line, without a line break at its end; tags and fields in the point's own order.

    Raises LineError for a name, tag or value that cannot be written so that a server reads the same again.
    """
    key = series(point)
    if not point.fields:
        raise LineError(f"{point.measurement}: a point without fields")
    fields = ",".join(f"{field_key(name)}={field_value(value)}" for name, value in point.fields.items())
    if not INT_LOW < point.time_ns <= INT_HIGH:
        raise LineError(f"{point.measurement}: time {point.time_ns} does not fit 64 bits")
    return f"{key} {fields} {point.time_ns}"


def series(point: Point) -> str:
    """The first part of a point's line: its measurement and tags. Raises LineError as `line`."""
    if point.measurement.startswith("#"):
        raise LineError(f"measurement {point.measurement!r}: a line that begins with # is a comment")
    tags = "".join(f",{_name(name, 'tag')}={_tag(name, value)}" for name, value in point.tags)
    key = _written(point.measurement, "measurement").translate(_MEASUREMENT_ESCAPES) + tags
    if len(key.encode()) > LONGEST_KEY:
        raise LineError(f"measurement {point.measurement!r}: it and its tags are over {LONGEST_KEY} bytes")
    return key


def field_key(name: str) -> str:
    """A field's name as it is written. Raises LineError as `line`."""
    return _name(name, "field")


def field_value(value: FieldValue) -> str:
    """A field's value as it is written, by its type. Raises LineError as `line`."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            if not INT_LOW <= value <= INT_HIGH:
                raise LineError(f"{value} does not fit a field's 64 bits")
            return f"{int(value)}i"
        case float():
            if not math.isfinite(value):
                raise LineError(f"{value} is no number that a field can hold")
            return repr(float(value))
        case str():
            return string(value)
    raise LineError(f"{value!r} is neither bool, int, float nor str")


def string(value: str) -> str:
    """A string as it is written, its quotes too. Raises LineError as `line`."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise LineError(f"{value!r} is no text of UTF-8: {error.reason}") from error
    if size > LONGEST_STRING:
        raise LineError(f"a string of {size} bytes, of which a field holds {LONGEST_STRING}: {value[:40]!r}...")
    if "\0" in value:
        raise LineError(f"{value[:80]!r} holds a NUL")
    return f'"{value.translate(_STRING_ESCAPES)}"'


def tag_value(text: str) -> str:
    r"""Any text as the value of a tag: `none` for an empty one; what a tag cannot hold written out, as `\n`, `\x00`.

    A backslash at the end becomes `\x5c`.
    """
    written = _UNWRITABLE.sub(lambda found: _NAMED.get(found[0]) or _spelled(found[0]), text)
    if written.endswith("\\"):
        written = written[:-1] + r"\x5c"
    return written or NONE


def text_value(text: str) -> str:
    r"""Any text as the value of a string field: NUL and halves of surrogate pairs are written out, the rest stays."""
    return re.sub("[\x00\ud800-\udfff]", lambda found: _spelled(found[0]), text)


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _name(name: str, what: str) -> str:
    """A tag's or field's name: InfluxDB keeps `time` and names that begin with `_` for itself."""
    if name == "time":
        raise LineError(f"{what} 'time': InfluxDB keeps that name for itself")
    if what == "field" and '"' in name:
        raise LineError(f"field {name!r}: servers take a double quote there for the begin of a string")
    return _written(name, what).translate(_ESCAPES)


def _tag(name: str, value: str) -> str:
    return _written(value, f"tag {name}", is_name=False).translate(_ESCAPES)


def _written(text: str, what: str, *, is_name: bool = True) -> str:
    """The text, where a name or tag can hold it."""
    if not text:
        raise LineError(f"{what}: empty")
    if unwritable := _UNWRITABLE.search(text):
        raise LineError(f"{what} {text!r}: {unwritable[0]!r} cannot be written there")
    if text.endswith("\\"):
        raise LineError(f"{what} {text!r}: a backslash at its end would escape what follows")
    if is_name and "\\" in text:
        raise LineError(f"{what} {text!r}: servers read a backslash in a name in different ways")
    if is_name and text.startswith("_"):
        raise LineError(f"{what} {text!r}: InfluxDB keeps names that begin with _ for itself")
    return text
