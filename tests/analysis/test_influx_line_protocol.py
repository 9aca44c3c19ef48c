"""Lines: what a server reads out of them is the point; held against influxdb-client's own where that one is right."""

from __future__ import annotations

import re

import influxdb_client
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.influx.line_protocol import NONE, LineError, line, tag_value
from analysis.influx.point import Point

INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text('a\\",= \n\t', max_size=9)
WRITABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1) | st.text(
    'a\\",= #', min_size=1, max_size=9
)
VALUES = WRITABLE.filter(lambda text: not text.endswith("\\"))
NAMES = VALUES.filter(lambda text: not text.startswith("_") and text != "time" and "\\" not in text)
FIELDS = st.dictionaries(
    NAMES.filter(lambda text: '"' not in text), INTS | FLOATS | TEXT | st.booleans(), min_size=1, max_size=4
)
POINTS = st.builds(
    lambda measurement, tags, time_ns, fields: Point(measurement, tuple(sorted(tags.items())), time_ns, fields),
    NAMES.filter(lambda text: not text.startswith("#")),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.integers(-(2**62), 2**62),
    FIELDS,
)


@given(POINTS)
def test_a_parser_of_its_own_reads_the_point_back(point: Point) -> None:
    assert parsed(line(point)) == point


@given(POINTS)
def test_it_is_what_influxdb_client_writes_but_for_floats_that_look_like_integers(point: Point) -> None:
    """influxdb-client sorts fields and cuts a float's ".0", which is the same number of the same type to a server."""
    made = Point(point.measurement, point.tags, point.time_ns, dict(sorted(point.fields.items())))
    theirs = influxdb_client.Point(point.measurement).time(point.time_ns)
    for name, value in point.tags:
        theirs.tag(name, value)
    floats = 0
    for name, value in point.fields.items():
        theirs.field(name, value)
        floats += isinstance(value, float) and repr(value).endswith(".0")
    ours = line(made)
    if not floats:
        assert ours == theirs.to_line_protocol()
    assert parsed(theirs.to_line_protocol()) == parsed(ours)


def test_numbers_keep_their_types() -> None:
    fields = {"a": 3.0, "b": 3, "c": True, "d": 1e22, "e": -0.0, "f": -(2**63), "g": ""}
    assert line(Point("m", (), 5, fields)) == f'm a=3.0,b=3i,c=true,d=1e+22,e=-0.0,f={-(2**63)}i,g="" 5'


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\t", "\0", "\x85", "\u2028", "\ud800", "a\\", ""])
def test_what_influxdb_client_writes_as_something_else_is_refused(text: str) -> None:
    r"""Of a tag's line break it makes two characters, `\n`; a backslash at the end it lets escape a space; an empty
    tag it leaves out; others it sends as they are, where servers part lines or refuse them.
    """
    for bad in (
        Point("m", (("t", text),), 5, {"f": 1}),
        Point("m", ((text, "v"),), 5, {"f": 1}),
        Point(text, (), 5, {"f": 1}),
        Point("m", (), 5, {text: 1}),
    ):
        with pytest.raises(LineError):
            line(bad)


@given(st.text() | st.text('\\\n\t a"', max_size=5))
def test_any_text_becomes_a_tag_that_can_be_written(text: str) -> None:
    value = tag_value(text)
    point = Point("m", (("t", value),), 5, {"f": 1})
    assert parsed(line(point)) == point
    writable = (
        text and not text.endswith("\\") and not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text)
    )
    assert not writable or value == text


def test_texts_that_no_tag_holds_are_written_out() -> None:
    assert tag_value("a\nb\tc\rd\0e\u2028") == r"a\nb\tc\rd\x00e\u2028"
    assert tag_value("C:\\") == r"C:\x5c"
    assert tag_value("") == NONE


@pytest.mark.parametrize(
    "point",
    [
        Point("#m", (), 5, {"f": 1}),
        Point("_m", (), 5, {"f": 1}),
        Point("m", (), 5, {}),
        Point("m", (), 5, {"_f": 1}),
        Point("m", (), 5, {"a\\,b": 1}),  # influxdb 1.6 ends the name at that comma
        Point("m", (), 5, {'a"b': 1}),  # and waits here for another quote
        Point('m\\"', (), 5, {"f": 1}),  # and drops this backslash
        Point("m", (("a\\ b", "v"),), 5, {"f": 1}),  # and says here that a value is missing
        Point("m", (), 5, {"time": 1}),
        Point("m", (("time", "x"),), 5, {"f": 1}),
        Point("m", (), 2**63, {"f": 1}),
        Point("m", (), 5, {"f": 2**63}),
        Point("m", (), 5, {"f": float("nan")}),
        Point("m", (), 5, {"f": float("-inf")}),
        Point("m", (), 5, {"f": "x" * 65536}),
        Point("m", (), 5, {"f": "\0"}),
        Point("m", (), 5, {"f": "\udc80"}),
        Point("m", (("t", "x" * 65536),), 5, {"f": 1}),
        Point("m", (), 5, {"f": None}),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_written_is_refused(point: Point) -> None:
    with pytest.raises(LineError):
        line(point)


def parsed(text: str) -> Point:
    """A line read by the rules of influxdb 1.6: a character right after a backslash is escaped."""
    measurement, end = until(text, 0, ", ")
    tags = []
    while text[end] == ",":
        name, end = until(text, end + 1, "=")
        value, end = until(text, end + 1, ", ")
        tags.append((plain(name), plain(value)))
    fields: dict[str, bool | int | float | str] = {}
    while text[end] in ", ":
        if fields and text[end] == " ":
            break
        name, end = until(text, end + 1, "=")
        fields[plain(name)], end = value_at(text, end + 1)
    measurement = re.sub(r"\\([, ])", r"\1", measurement)
    return Point(measurement, tuple(tags), int(text[end + 1 :]), fields)


def until(text: str, start: int, stops: str) -> tuple[str, int]:
    end = start
    while text[end] not in stops or text[end - 1] == "\\":
        end += 1
    return text[start:end], end


def plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def value_at(text: str, start: int) -> tuple[bool | int | float | str, int]:
    if text[start] == '"':
        end = start + 1
        while text[end] != '"':
            end += 2 if text[end] == "\\" else 1
        return re.sub(r'\\(["\\])', r"\1", text[start + 1 : end]), end + 1
    written, end = until(text, start, ", ")
    if written in {"true", "false"}:
        return written == "true", end
    return (int(written[:-1]) if written.endswith("i") else float(written)), end
