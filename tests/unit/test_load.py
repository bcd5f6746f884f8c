"""The load generator: turns at their moments, latency from the moment due, and every turn in the figures."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.errors import InvalidInput
from tests.load.__main__ import requested
from tests.load.mix import Arrival, arrivals
from tests.load.picture import draw
from tests.load.result import Step, capacity, percentile
from tests.load.sending import ANSWERED, SHED, UNFINISHED, Outcome, send

pytestmark = pytest.mark.unit


def outcome(seconds: float, due: float = 0.0, ended: str = ANSWERED) -> Outcome:
    return Outcome(due, due, due + seconds, ended, spoken=False)


@contextmanager
def gateway_double(answers: dict[str, tuple[int, str]], pause: float) -> Iterator[str]:
    """An HTTP server that answers by what is asked, one request at a time, after `pause` seconds each."""
    one_at_a_time = threading.Lock()

    class GatewayDouble(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            with one_at_a_time:
                time.sleep(pause)
            status, answer = next(given for words, given in answers.items() if words in body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), GatewayDouble)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_turns_wait_for_nobody_and_are_timed_from_the_moment_they_were_due() -> None:
    planned = [Arrival(number * 0.02, "c", "hello", "en") for number in range(10)]

    with gateway_double({"": (200, '{"reply": {"text": "hi"}}')}, pause=0.1) as url:
        outcomes = send(planned, url, "token")

    assert [each.outcome for each in outcomes] == [ANSWERED] * 10
    assert max(each.sent - each.due for each in outcomes) < 0.1  # sent though those before had no answer
    # Served one after the other, the last waits for all: 1 s of work, of which 0.18 s had passed when it was due.
    assert max(each.seconds for each in outcomes) > 0.7
    assert min(each.seconds for each in outcomes) >= 0.1


def test_every_way_a_turn_can_end_is_told_apart() -> None:
    answers = {
        "fine": (200, '{"reply": {"text": "yes"}}'),
        "empty": (200, '{"reply": {"text": ""}}'),
        "full": (429, "{}"),
        "slow": (202, "{}"),
        "broken": (500, "{}"),
    }
    planned = [Arrival(0.0, "c", words, "en") for words in answers]

    with gateway_double(answers, pause=0.0) as url:
        outcomes = send(planned, url, "")

    assert [each.outcome for each in outcomes] == [ANSWERED, "an empty reply", SHED, UNFINISHED, "HTTP 500"]
    assert [each.outcome for each in send(planned[:1], url, "")] == ["ConnectError"]  # nobody listens any more


def test_people_arrive_at_the_rate_asked_for_and_the_same_ones_for_the_same_seed() -> None:
    planned = arrivals(3000, 20.0, audio_share=0.25, seed=3)
    even = arrivals(5, 2.0, poisson=False)

    assert planned[-1].due == pytest.approx(3000 / 20, rel=0.1)
    assert sum(each.recording is not None for each in planned) == pytest.approx(750, rel=0.1)
    gaps = [after.due - before.due for before, after in itertools.pairwise(planned)]
    mean = sum(gaps) / len(gaps)
    assert math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) == pytest.approx(mean, rel=0.1)  # Poisson
    assert [each.due for each in even] == [0.0, 0.5, 1.0, 1.5, 2.0]
    again = arrivals(3000, 20.0, audio_share=0.25, seed=3)
    assert [(each.due, each.text, each.recording) for each in again] == [
        (each.due, each.text, each.recording) for each in planned
    ]


def test_a_person_does_not_speak_twice_at_once() -> None:
    planned = arrivals(2000, 10.0, poisson=False)

    last: dict[str, float] = {}
    for each in planned:
        assert each.due - last.get(each.conversation_id, -math.inf) >= 5.0
        last[each.conversation_id] = each.due


def test_percentiles_are_values_that_occurred() -> None:
    ordered = [float(number) for number in range(1, 101)]

    assert [percentile(ordered, wanted) for wanted in (50.0, 95.0, 99.0, 100.0)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([3.0], 50.0) == 3.0
    assert math.isnan(percentile([], 50.0))


def test_every_turn_is_counted_once_and_only_replies_have_a_latency() -> None:
    step = Step(5.0, [outcome(0.1), outcome(0.3, due=1.9), outcome(0.0, ended=SHED), outcome(60.0, ended=UNFINISHED)])

    assert step.counts == {ANSWERED: 2, SHED: 1, UNFINISHED: 1}
    assert (step.answered, step.failed) == (2, 1)
    assert step.seconds == pytest.approx([0.1, 0.3])
    assert step.answered_per_second == pytest.approx(2 / 2.2)


def test_a_rate_is_carried_where_nearly_all_are_answered_within_the_objective() -> None:
    quick = Step(5.0, [outcome(0.1)] * 99 + [outcome(9.0)])
    slow = Step(10.0, [outcome(0.1)] * 90 + [outcome(9.0)] * 10)
    shedding = Step(20.0, [outcome(0.1)] * 90 + [outcome(0.0, ended=SHED)] * 10)
    nothing = Step(40.0, [outcome(0.0, ended=SHED)] * 3)

    assert [step.carried for step in (quick, slow, shedding, nothing)] == [True, False, False, False]
    assert capacity([quick, slow, shedding, nothing]) == 5.0
    assert capacity([slow]) is None


def test_the_picture_shows_rates_where_nothing_was_answered_too(tmp_path: Path) -> None:
    steps = [Step(5.0, [outcome(0.1), outcome(0.2, due=0.4)]), Step(9.0, [outcome(0.0, ended=SHED)])]

    draw(steps, tmp_path / "load.png", "a load")

    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("turns", "rate", "share", "field"),
    [
        ("0", "5", "0", "TURNS"),
        ("many", "5", "0", "TURNS"),
        ("10", "0", "0", "RATE"),
        ("10", "5,,10", "0", "RATE"),
        ("10", "nan", "0", "RATE"),
        ("10", "5", "2", "AUDIO_SHARE"),
    ],
)
def test_bad_input_is_told_by_name_and_remedy(turns: str, rate: str, share: str, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: .*write"):
        requested(turns, rate, share)


def test_rates_are_tried_in_the_order_given() -> None:
    assert requested("10", "5,10.5", "0.2").rates == [5.0, 10.5]
