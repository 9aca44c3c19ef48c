"""Every record survives its text form, and nothing that is no record passes for one."""

from __future__ import annotations

import json
import typing
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import RECORDS, TEXT, records_of

from instrument.records import KINDS, Fault, Record, RecordError, Rpc, Score, Span, decode, encode, from_mapping


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_a_decoded_record_equals_the_encoded_one(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(records_of(kind))
    assert decode(encode(record)) == record


@given(RECORDS)
def test_a_record_is_one_line_of_utf8(record: Record) -> None:
    assert b"\n" not in encode(record).encode()


@given(st.text(st.characters(min_codepoint=0xD700, max_codepoint=0xE000), min_size=1, max_size=5))
def test_lone_surrogates_never_make_a_line_that_utf8_refuses(text: str) -> None:
    """Command lines and file names that are not UTF-8 reach Python as lone surrogates (PEP 383)."""
    record = Fault(where=text, error=f"\\{text}", mono_ns=1)
    line = encode(record)
    back = decode(line.encode().decode())
    assert isinstance(back, Fault)
    same = [one.encode("utf-16", "surrogatepass") for one in (back.where, text)]  # high and low become one character
    assert same[0] == same[1]
    assert decode(encode(back)) == back


def test_none_and_defaults_are_left_out_of_the_line() -> None:
    span = Span(name="train", start_mono_ns=1, end_mono_ns=2)
    assert json.loads(encode(span)) == {"kind": "span", "name": "train", "start_mono_ns": 1, "end_mono_ns": 2}


def test_false_and_zero_are_measured_and_stay() -> None:
    line = encode(Rpc(method="m", server="s", start_mono_ns=1, end_mono_ns=2, stored=False, server_request=0))
    assert json.loads(line)["stored"] is False
    assert json.loads(line)["server_request"] == 0


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_an_unknown_key_is_refused(kind: type[Record], data: st.DataObject) -> None:
    body = json.loads(encode(data.draw(records_of(kind))))
    with pytest.raises(RecordError, match="no field 'unheard_of'"):
        from_mapping({**body, "unheard_of": 1})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_a_value_of_another_type_is_refused(kind: type[Record], data: st.DataObject) -> None:
    body = json.loads(encode(data.draw(records_of(kind))))
    hints = typing.get_type_hints(kind)
    name = data.draw(st.sampled_from([item.name for item in fields(kind)]))
    wrong = "text" if hints[name] is not str else 1
    if str in typing.get_args(hints[name]):
        wrong = 1
    with pytest.raises(RecordError, match=f"{kind.kind}.{name}"):
        from_mapping({**body, name: wrong})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_missing_required_field_is_refused(kind: type[Record]) -> None:
    with pytest.raises(RecordError):
        from_mapping({"kind": kind.kind})


def test_true_is_no_integer() -> None:
    with pytest.raises(RecordError):
        from_mapping({"kind": "fault", "where": "", "error": "", "mono_ns": True})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "null",
        "[]",
        "23",
        '"fault"',
        "{}",
        '{"kind":null}',
        '{"kind":[]}',
        '{"kind":{}}',
        '{"kind":"unheard"}',
        '{"kind":"score","round":1,"mono_ns":1,"source":"s","metrics":{"loss":NaN}}',
        '{"kind":"score","round":1,"mono_ns":1,"source":"s","metrics":{"loss":Infinity}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused_by_the_one_error(line: str) -> None:
    with pytest.raises(RecordError):
        decode(line)


@given(TEXT | RECORDS.map(encode).flatmap(lambda line: st.integers(0, len(line)).map(lambda cut: line[:cut])))
def test_any_text_is_a_record_or_the_one_error(text: str) -> None:
    try:
        decode(text)
    except RecordError:
        return


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_is_refused_when_written(value: float) -> None:
    score = Score(round=1, mono_ns=1, source="server", metrics={"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        encode(replace(score, metrics={"loss": value}))
