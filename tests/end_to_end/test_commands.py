"""Single utterances, typed and spoken, from the command line to the reply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.stack import Stack

pytestmark = pytest.mark.end_to_end
_OWN = Path(__file__).resolve().parents[1] / "audio"
_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech" / "audio"
_STAGES = {"nlu", "dialogue", "dispatch", "generation"}


def test_a_typed_command_is_done_and_the_turn_tells_everything(stack: Stack, conversation: Callable[[], str]) -> None:
    turn = stack.say("turn on the kitchen light", "--conversation", conversation())

    assert turn["transcript"]["text"] == "turn on the kitchen light"
    understanding = turn["understanding"]
    assert understanding["language"] == "en"
    assert understanding["intent"] == "turn_on"
    assert understanding["confidence"] > 0.8
    assert not understanding.get("out_of_scope")
    assert {slot["name"]: slot["value"] for slot in understanding["slots"]} == {"area": "kitchen", "device": "light"}
    assert turn["decision"]["flow"]
    assert [(each["action"], each["outcome"]) for each in turn["task_results"]] == [
        ("home.turn_on", "TASK_OUTCOME_SUCCEEDED")
    ]
    assert "kitchen" in turn["reply"]["text"].lower()
    assert set(turn["timings_ms"]) >= _STAGES
    assert {"nlu", "generation"} <= set(turn["model_versions"])


@pytest.mark.parametrize(
    ("said", "action", "area"),
    [
        ("把厨房的灯打开", "home.turn_on", "kitchen"),
        ("关掉卧室的灯", "home.turn_off", "bedroom"),
    ],
)
def test_a_chinese_command_is_done_and_answered_in_chinese(
    stack: Stack, conversation: Callable[[], str], said: str, action: str, area: str
) -> None:
    turn = stack.say(said, "--conversation", conversation())

    assert turn["understanding"]["language"] == "zh"
    assert [(each["action"], each["outcome"]) for each in turn["task_results"]] == [(action, "TASK_OUTCOME_SUCCEEDED")]
    assert turn["task_results"][0]["values"]["area"] == area
    assert any("\u4e00" <= character <= "\u9fff" for character in turn["reply"]["text"])


def test_a_spoken_command_is_heard_and_done(stack: Stack, conversation: Callable[[], str]) -> None:
    clip = _OWN / "turn_on_the_kitchen_light.flac"

    turn = stack.say("--audio", str(clip), "--conversation", conversation(), "--locale", "en")

    assert turn["transcript"]["outcome"] == "TRANSCRIPT_OUTCOME_RECOGNIZED"
    assert turn["understanding"]["intent"] == "turn_on"
    assert turn["task_results"][0]["outcome"] == "TASK_OUTCOME_SUCCEEDED"
    assert "asr" in turn["model_versions"]


def test_a_recording_too_large_for_an_event_travels_as_a_claim_check(
    one: Stack, conversation: Callable[[], str], tmp_path: Path
) -> None:
    """Five megabytes: a short command in 32-bit stereo at 96 kHz, with a while of silence behind it."""
    samples, rate = soundfile.read(_OWN / "turn_on_the_kitchen_light.flac", dtype="float32")
    fine = soxr.resample(samples, rate, 96_000)
    silence = np.zeros(6 * 96_000, np.float32)
    mono = np.concatenate([fine, silence])
    file = tmp_path / "large.wav"
    soundfile.write(file, np.stack([mono, mono], axis=1), 96_000, subtype="FLOAT")
    assert file.stat().st_size > 5_000_000

    turn = one.say("--audio", str(file), "--conversation", conversation(), "--locale", "en")

    assert turn["transcript"]["outcome"] == "TRANSCRIPT_OUTCOME_RECOGNIZED"
    assert turn["task_results"][0]["outcome"] == "TASK_OUTCOME_SUCCEEDED"


@pytest.mark.parametrize(
    ("clip", "intent"),
    [
        ("rhasspy_commands/turn-on-lights-in-the-office.flac", "turn_on"),
        ("rhasspy_commands/what-time-is-it.flac", "get_time"),
        ("rhasspy_commands/turn-off-standing-light.flac", "turn_off"),
    ],
)
def test_real_recordings_of_home_commands_are_answered(
    one: Stack, conversation: Callable[[], str], clip: str, intent: str
) -> None:
    if not _SHARED.is_dir():
        pytest.skip("../shared/data/speech is not beside this checkout")

    turn = one.say("--audio", str(_SHARED / clip), "--conversation", conversation(), "--locale", "en")

    assert turn["understanding"]["intent"] == intent
    assert turn["reply"]["text"]


def test_read_speech_is_written_down_and_no_task_is_invented(one: Stack, conversation: Callable[[], str]) -> None:
    clips = sorted((_SHARED / "pocketsphinx_librivox").glob("*.flac"))
    if not clips:
        pytest.skip("../shared/data/speech is not beside this checkout")

    turn = one.say("--audio", str(clips[0]), "--conversation", conversation(), "--locale", "en")

    assert turn["transcript"]["outcome"] == "TRANSCRIPT_OUTCOME_RECOGNIZED"
    assert len(turn["transcript"]["text"].split()) > 5
    assert not turn.get("task_results")


def test_a_question_is_answered_from_a_document_with_its_source(stack: Stack, conversation: Callable[[], str]) -> None:
    turn = stack.say("what is your return policy", "--conversation", conversation())

    assert turn["evidence"]["found"]
    assert turn["reply"]["citations"]
    assert "return" in turn["reply"]["text"].lower()


@pytest.mark.parametrize("said", ["what is the capital of france", "who won the cup final"])
def test_what_nobody_can_answer_is_not_answered(stack: Stack, conversation: Callable[[], str], said: str) -> None:
    turn = stack.say(said, "--conversation", conversation())

    assert turn["reply"]["text"]
    assert not turn["reply"].get("citations")
    assert not turn.get("task_results")


def test_silence_is_told_as_silence(one: Stack, conversation: Callable[[], str], tmp_path: Path) -> None:
    import numpy
    import soundfile

    soundfile.write(tmp_path / "silence.wav", numpy.zeros(16000, dtype="float32"), 16000)

    turn = one.say("--audio", str(tmp_path / "silence.wav"), "--conversation", conversation())

    assert turn["transcript"]["outcome"] == "TRANSCRIPT_OUTCOME_SILENCE"
    assert not turn.get("task_results")
    assert turn["reply"]["text"]
