"""The hooks on stand-ins of Flower's modules: the app sees what it would see without them."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType, ModuleType, SimpleNamespace

import pytest

from instrument.clock import ManualClock, short_id, this_clock
from instrument.flower import rpc, serve, server_app, session, sleeps, spans
from instrument.flower.arrival import TICK_NS
from instrument.probe import Probe, made_of
from instrument.records import Fault, Record, Rpc, Score, Serve, Sleep, Span


class Collecting(Probe):
    """A probe that keeps its records in a list, made at once."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("nothing is written here"), clock=ManualClock(mono_ns=100))
        self.records: list[Record] = []

    def emit(self, record) -> None:
        made = made_of(record)
        if made is not None:
            self.records.append(made)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]


def in_a_loop(coroutine):
    """What a coroutine returns, run on a thread of its own: a browser test may have left a loop on this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Collecting:
    collecting = Collecting()
    monkeypatch.setattr(session._Session, "probe", collecting)
    return collecting


def module_with(**attributes) -> ModuleType:
    module = ModuleType("stand_in")
    vars(module).update(attributes)
    return module


# spans


def test_arguments_result_and_exception_pass_through_unchanged(probe: Collecting) -> None:
    given, result, problem = object(), object(), KeyError("theirs")

    def function(*arguments, **options):
        assert arguments == (given,)
        if options["name"] == "raise":
            raise problem
        return result

    recorded = spans.outermost(function, "install", before=lambda *_, **__: {}, after=lambda _: {"count": 23})
    assert recorded(given, name="return", fields=1) is result
    with pytest.raises(KeyError) as caught:
        recorded(given, name="raise", fields=1)
    assert caught.value is problem
    first, second = probe.of(Span)
    assert (first.count, first.error) == (23, None)
    assert (second.count, second.error) == (None, "KeyError('theirs')")


def test_only_the_outermost_of_nested_calls_is_recorded(probe: Collecting) -> None:
    def factorial(number: int) -> int:
        return number * recorded(number - 1) if number else 1

    recorded = spans.outermost(factorial, "inflate")
    assert recorded(5) == 120
    assert len(probe.of(Span)) == 1
    with pytest.raises(RecursionError):
        recorded(-1)
    assert recorded(3) == 6
    assert len(probe.of(Span)) == 3


def test_each_thread_has_an_outermost_call_of_its_own(probe: Collecting) -> None:
    inside = threading.Barrier(2, timeout=20)
    recorded = spans.outermost(inside.wait, "install")
    threads = [threading.Thread(target=recorded) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({span.thread for span in probe.of(Span)}) == 2


def test_fields_that_cannot_be_read_are_a_fault_and_not_the_apps_trouble(probe: Collecting) -> None:
    recorded = spans.outermost(lambda: 23, "install", before=lambda: {}["gone"], after=lambda result: result.gone)
    assert recorded() == 23
    assert [fault.where for fault in probe.of(Fault)] == ["span install"] * 2
    assert len(probe.of(Span)) == 1


def test_what_ray_pickles_of_a_wrapped_function_holds_no_state_of_the_process() -> None:
    """It pickles a function of the app's by value: its closure, and what it uses of its module's globals."""
    recorded = spans.outermost(lambda message: 23, "app_function", before=spans.message_fields)
    used = [recorded.__globals__[name] for name in recorded.__code__.co_names if name in recorded.__globals__]
    assert used == [spans._call]
    assert {type(cell.cell_contents) for cell in recorded.__closure__} == {FunctionType, str, type(None)}


# strategies


class Strategy(ABC):
    @abstractmethod
    def configure_train(self, server_round, arrays, config, grid): ...

    @abstractmethod
    def aggregate_train(self, server_round, replies): ...

    def start(self, grid, initial_arrays, num_rounds=3, evaluate_fn=None):
        for number in range(1, num_rounds + 1):
            messages = self.configure_train(number, initial_arrays, {}, grid)
            self.aggregate_train(number, messages)
            if evaluate_fn:
                evaluate_fn(number, initial_arrays)
        return "result"


@pytest.fixture
def strategy_type() -> Iterator[type]:
    fresh = type("Strategy", (ABC,), {key: value for key, value in vars(Strategy).items() if key[:2] != "__"})
    server_app.hook_strategy(module_with(Strategy=fresh))
    number, source = server_app._Round.number, server_app._Round.source
    yield fresh
    server_app._Round.number, server_app._Round.source = number, source


def test_a_users_strategy_is_recorded_where_it_overrides(probe: Collecting, strategy_type: type) -> None:
    class Averaging(strategy_type):
        def configure_train(self, server_round, arrays, config, grid):
            probe.clock.advance(7)
            for message in ("a", "b"):
                probe.clock.advance(3)  # lazily: the making of messages belongs to the interval
                yield message

        def aggregate_train(self, server_round, replies):
            return None, {"loss": 0.5, "name": "text"}

    class Users(Averaging):
        def aggregate_train(self, server_round, replies):
            assert replies == ["a", "b"]
            return super().aggregate_train(server_round, replies)

    assert (
        Users().start("grid", {}, num_rounds=2, evaluate_fn=lambda number, _: {"accuracy": number / 10}) == "result"
    )
    found = [(span.name, span.round, span.count) for span in probe.of(Span)]
    one_round = [("configure", 2), ("aggregate", 2), ("evaluate_server", None)]
    expected = [(name, number, count) for number in (1, 2) for name, count in one_round]
    assert found == [*expected, ("strategy", None, None)]
    assert {span.end_mono_ns - span.start_mono_ns for span in probe.of(Span) if span.name == "configure"} == {13}
    assert [(score.round, score.source, score.metrics) for score in probe.of(Score)] == [
        (1, "train", {"loss": 0.5}),
        (1, "server", {"accuracy": 0.1}),
        (2, "train", {"loss": 0.5}),
        (2, "server", {"accuracy": 0.2}),
    ]


def test_a_strategy_that_is_not_finished_still_cannot_be_made(strategy_type: type) -> None:
    class Unfinished(strategy_type):
        def configure_train(self, server_round, arrays, config, grid):
            return []

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_a_mixins_own_subclass_hook_still_runs(strategy_type: type) -> None:
    seen = []

    class Registered:
        def __init_subclass__(cls, *, label="", **options):
            super().__init_subclass__(**options)
            seen.append((cls.__name__, label))

    class Theirs(strategy_type, Registered, label="mine"):
        pass

    class Grandchild(Theirs):
        pass

    assert seen == [("Theirs", "mine"), ("Grandchild", "")]


def test_a_strategys_own_subclass_hook_still_runs() -> None:
    seen = []

    class WithHook(ABC):  # noqa: B024 a stand-in
        def __init_subclass__(cls, **options):
            super().__init_subclass__(**options)
            seen.append(cls.__name__)

    server_app.hook_strategy(module_with(Strategy=WithHook))

    class Theirs(WithHook):
        pass

    assert seen == ["Theirs"]


def test_a_model_that_diverged_keeps_the_rounds_other_numbers(probe: Collecting) -> None:
    server_app._record_score(3, "server", {"loss": float("nan"), "accuracy": 0.1, "gain": float("inf")})
    (score,) = probe.of(Score)
    assert score.metrics == {"accuracy": 0.1}
    assert sorted(fault.error for fault in probe.of(Fault)) == [
        "round 3: server gain is inf",
        "round 3: server loss is nan",
    ]


# sleeps


def test_a_sleep_is_slept_and_recorded(probe: Collecting) -> None:
    recording = sleeps.RecordingTime("here")
    assert recording.monotonic() > 0
    recording.sleep(0.001)
    (sleep,) = probe.of(Sleep)
    assert (sleep.where, sleep.asked_s) == ("here", 0.001)


def test_only_timed_waits_of_an_event_are_recorded(probe: Collecting) -> None:
    event = sleeps.RecordingThreading("there").Event()
    assert event.wait(0.001) is False
    event.set()
    assert event.wait() is True
    assert [sleep.where for sleep in probe.of(Sleep)] == ["there"]
    assert sleeps.RecordingThreading("there").Lock is threading.Lock


# requests


def context(method: str = "/flwr.proto.Fleet/GetRun") -> SimpleNamespace:
    url = SimpleNamespace(host="10.0.0.1", port=8000)
    request = SimpleNamespace(url=url, content=b"12345", extensions={})
    return SimpleNamespace(rpc_method=method, request=request, message=SimpleNamespace(run_id=23))


def response(header: str | None = None) -> SimpleNamespace:
    headers = {} if header is None else {serve.HEADER: header}
    return SimpleNamespace(status_code=200, content=b"123", headers=headers, extensions={})


def test_a_request_passes_through_with_its_moments(probe: Collecting) -> None:
    answer = response("7,6e,a,14,1e,c,0123abcd")

    def send(asked):
        probe.clock.advance(5)
        asked.request.extensions["trace"]("http11.send_request_headers.started", {})
        asked.request.extensions["trace"]("http11.unheard_of", {})
        probe.clock.advance(6)
        return answer

    assert rpc.RecordingInterceptor().intercept(context(), send) is answer
    (record,) = probe.of(Rpc)
    assert (record.start_mono_ns, record.headers_sent_mono_ns, record.end_mono_ns) == (100, 105, 111)
    assert (record.request_bytes, record.response_bytes, record.run_id) == (5, 3, "23")
    assert (record.server, record.server_request, record.server_clock) == ("10.0.0.1:8000", 7, "0123abcd")
    assert (record.server_arrive_mono_ns, record.server_response_mono_ns) == (110, 140)
    assert (record.server_last_byte_mono_ns, record.server_late_ms, record.late_ms) == (130, 12, None)
    assert record.local_port is None


@pytest.mark.parametrize("header", ["7,6e,,,1e,,c", "7,6e,,,,,c"])
def test_a_stamp_that_is_empty_was_not_measured(probe: Collecting, header: str) -> None:
    rpc.RecordingInterceptor().intercept(context(), lambda _: response(header))
    (record,) = probe.of(Rpc)
    assert record.server_clock == "c"
    assert record.server_last_byte_mono_ns is None


@pytest.mark.parametrize(
    "header",
    [None, "", "x", "1,2", "1,2,3,4,5,6,7,clock", ",,,,,,c", "g,h,i,j,k,l,clock", "7;110;10;20;30;12;0123abcd"],
)
def test_a_server_without_our_stamps_leaves_the_clients_own_moments(probe: Collecting, header: str | None) -> None:
    rpc.RecordingInterceptor().intercept(context(), lambda _: response(header))
    (record,) = probe.of(Rpc)
    assert (record.status, record.server_request, record.server_clock) == (200, None, None)


def test_a_failed_attempt_is_recorded_and_its_exception_unchanged(probe: Collecting) -> None:
    problem = ConnectionError("refused")

    def send(_asked):
        raise problem

    with pytest.raises(ConnectionError) as caught:
        rpc.RecordingInterceptor().intercept(context(), send)
    assert caught.value is problem
    (record,) = probe.of(Rpc)
    assert (record.status, record.error) == (None, "ConnectionError('refused')")


class Stream:
    """As httpcore's: one connection, whose socket is asked."""

    def __init__(self, port: int) -> None:
        self.port, self.asked = port, 0

    def get_extra_info(self, name: str):
        self.asked += name == "client_addr"
        return ("10.0.0.2", self.port) if name == "client_addr" else None


def test_a_kept_connection_is_asked_for_its_port_once_and_a_new_one_again(probe: Collecting) -> None:
    streams = [Stream(4711), Stream(4712)]
    for stream in (streams[0], streams[0], streams[1]):
        answer = response()
        answer.extensions["network_stream"] = stream
        rpc.RecordingInterceptor().intercept(context(), lambda _, answer=answer: answer)
    assert [record.local_port for record in probe.of(Rpc)] == [4711, 4711, 4712]
    assert [stream.asked for stream in streams] == [1, 1]


@pytest.mark.parametrize(("took_ns", "late"), [(TICK_NS - 1, 0), (TICK_NS, None)])
def test_only_an_object_that_took_a_tick_can_have_been_read_late(probe: Collecting, took_ns: int, late) -> None:
    """The stand-in has no socket: where the kernel is asked, it does not tell."""
    answer = response()
    answer.content = b""  # of either answer's type
    answer.extensions["network_stream"] = Stream(4711)

    def send(asked):
        asked.request.extensions["trace"](rpc.HEADERS_SENT, {})
        probe.clock.advance(took_ns)
        asked.request.extensions["trace"](rpc.BODY_READ, {})
        return answer

    for method in ("/flwr.proto.Fleet/PullObject", "/flwr.proto.Fleet/PullMessages"):
        rpc.RecordingInterceptor().intercept(context(method), send)
    assert [record.late_ms for record in probe.of(Rpc)] == [late, None]


@pytest.mark.parametrize("method", rpc.QUIET_METHODS)
def test_polling_is_not_recorded(probe: Collecting, method: str) -> None:
    asked = context(f"/flwr.proto.Fleet/{method}")
    rpc.RecordingInterceptor().intercept(asked, lambda _: response())
    assert probe.records == []
    assert asked.request.extensions == {}


@pytest.mark.parametrize("broken", [SimpleNamespace(), SimpleNamespace(rpc_method="/flwr.proto.Fleet/GetRun")])
def test_a_request_that_is_not_what_it_was_is_sent_all_the_same(probe: Collecting, broken: SimpleNamespace) -> None:
    assert rpc.RecordingInterceptor().intercept(broken, lambda given: (given, "answer")) == (broken, "answer")
    assert [fault.error for fault in probe.of(Fault)]
    assert probe.of(Rpc) == []


def test_a_client_without_interceptors_is_left_as_it_is() -> None:
    class ProtobufClient:
        def __init__(self, base_url): ...

    init = ProtobufClient.__init__
    with pytest.raises(KeyError):
        rpc.hook_protobuf_client(module_with(ProtobufClient=ProtobufClient))
    assert ProtobufClient.__init__ is init


# servers


async def exchange(app, scope, received):
    """Run an ASGI app over a list of received events; returns what it sent."""
    waiting, sent = iter(received), []

    async def receive():
        return next(waiting)

    async def send(event):
        sent.append(event)

    await serve.StampingApp(app)(scope, receive, send)
    return sent


SCOPE = {"type": "http", "path": "/v1/fleet/push-object", "client": ("10.0.0.7", 4711)}
BODY = [
    {"type": "http.request", "body": b"123", "more_body": True},
    {"type": "http.request", "body": b"45", "more_body": False},
]


async def reading(scope, receive, send):
    while (await receive()).get("more_body"):
        session.probe().clock.advance(10)
    session.probe().clock.advance(100)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    session.probe().clock.advance(1000)
    await send({"type": "http.response.body", "body": b"1234567"})


def test_a_request_is_stamped_and_its_answer_carries_the_stamps(probe: Collecting) -> None:
    start, body = in_a_loop(exchange(reading, SCOPE, BODY))
    (record,) = probe.of(Serve)
    assert (record.arrive_mono_ns, record.first_byte_mono_ns, record.last_byte_mono_ns) == (100, 100, 110)
    assert (record.response_mono_ns, record.response_end_mono_ns) == (210, 1210)
    assert (record.request_bytes, record.response_bytes, record.status) == (5, 7, 200)
    assert (record.peer, record.peer_port) == ("10.0.0.7", 4711)
    name, value = start["headers"][-1]
    assert (start["headers"][0], name) == ((b"a", b"b"), b"x-fedprobe")
    assert value.decode() == f"1,64,0,a,6e,,{short_id(str(this_clock()))}"
    assert body == {"type": "http.response.body", "body": b"1234567"}


def test_what_the_app_raises_passes_through_and_is_recorded(probe: Collecting) -> None:
    async def failing(scope, receive, send):
        await receive()
        raise ValueError("theirs")

    with pytest.raises(ValueError, match="theirs"):
        in_a_loop(exchange(failing, SCOPE, BODY))
    (record,) = probe.of(Serve)
    assert (record.status, record.error) == (None, "ValueError('theirs')")


@pytest.mark.parametrize(
    "scope", [{"type": "lifespan"}, {"type": "websocket", "path": "/"}, {**SCOPE, "path": "/v1/runtime/acquire-task"}]
)
def test_what_is_no_measured_request_is_passed_on_as_it_is(probe: Collecting, scope: dict) -> None:
    def passed(app):
        async def called(given, receive, send):
            assert given is scope
            await send({"type": "any"})

        return called

    assert in_a_loop(exchange(passed(None), scope, [])) == [{"type": "any"}]
    assert probe.records == []


def test_a_peer_that_is_not_known_is_no_trouble(probe: Collecting) -> None:
    in_a_loop(exchange(reading, {**SCOPE, "client": None}, BODY))
    (record,) = probe.of(Serve)
    assert (record.peer, record.peer_port) == ("", 0)


def test_a_request_that_cannot_be_followed_is_served_all_the_same(
    probe: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events are not what they were: no type, no length; and the header and the hand-over fail."""

    def fail(*_):
        raise ValueError("ours")

    async def unusual(scope, receive, send):
        await receive()
        await reading(scope, receive, send)
        await send({"type": "http.response.body", "body": 5})
        await send({"other": 1})

    monkeypatch.setattr(serve._Exchange, "_header", fail)
    monkeypatch.setattr(probe, "emit", lambda record: Collecting.emit(probe, record) if _is_fault(record) else fail())
    start, *bodies = in_a_loop(exchange(unusual, SCOPE, [{"odd": 1}, *BODY]))
    assert start["headers"] == [(b"a", b"b")]
    assert bodies == [
        {"type": "http.response.body", "body": b"1234567"},
        {"type": "http.response.body", "body": 5},
        {"other": 1},
    ]
    told = [fault.error for fault in probe.of(Fault)]
    assert [text.partition("(")[0] for text in told] == [
        "KeyError",
        "ValueError",
        "TypeError",
        "KeyError",
        "ValueError",
    ]


def _is_fault(record: object) -> bool:
    return isinstance(record, Fault)


@pytest.mark.parametrize("ending", [(), ({"type": "http.request", "body": b"", "more_body": True},)])
def test_an_answer_before_the_whole_body_has_what_is_known(probe: Collecting, ending: tuple) -> None:
    async def hasty(scope, receive, send):
        for _ in ending:
            await receive()
        session.probe().clock.advance(16)
        await send({"type": "http.response.start", "status": 413})

    (start,) = in_a_loop(exchange(hasty, SCOPE, ending))
    ((_, value),) = start["headers"]
    assert value.decode() == f"1,64,{'0' if ending else ''},,10,,{short_id(str(this_clock()))}"


def test_the_app_behind_the_wrapper_keeps_its_attributes() -> None:
    app = SimpleNamespace(state="theirs")
    assert serve.StampingApp(app).state == "theirs"
