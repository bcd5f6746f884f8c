"""The tutorial docs/domains.md, followed step by step: its commands run, its files validate, its orders are taken."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from parley.v1 import asr_pb2, dialogue_pb2, generation_pb2, nlu_pb2, turn_pb2
from services.dialogue.engine import ConversationState, DialogueEngine
from services.dispatch.connectors.base import Connector
from services.dispatch.connectors.tickets import TicketConnector
from services.dispatch.engine import Dispatcher, occasion_of
from services.dispatch.storage import TicketRow
from services.generation.templates import TemplateBackend
from services.knowledge.documents import of_packs
from services.nlu.artifact import load_models
from services.nlu.engine import NluEngine, Request
from services.nlu.training import ensure_model
from shared.packs import Pack, bundled_packs, load_pack
from shared.settings import StorageSettings
from tests.dispatching import RESIDENT, on_sqlite
from tests.nlu_model import TRAINING_TIMEOUT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TRAINING_TIMEOUT)]

TUTORIAL = (Path(__file__).resolve().parents[2] / "docs" / "domains.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
ORDER = re.compile(r"^\| (?P<said>[^|]+) \| (?P<answer>[^|]+) \|$", re.MULTILINE)
PARLEY = Path(sys.executable).parent / "parley"


class Bar:
    """Everybody between a customer and the bar, in one process: what is said goes in, the reply comes out.

    Understanding is the bundled packs' model with the new pack's templates beside it: nothing is trained here.
    """

    def __init__(self, pack: Pack, session: Session) -> None:
        packs = (*bundled_packs(), pack)
        self.nlu = NluEngine(packs, load_models(ensure_model(StorageSettings.load())))
        self._dialogue = DialogueEngine(packs)
        connectors: list[Connector] = [TicketConnector(packs)]
        self._dispatch = Dispatcher(packs, connectors)
        self._generation = TemplateBackend(packs)
        self._session = session
        self._state = ConversationState("c1")

    def say(self, text: str) -> str:
        """One utterance; the reply."""
        understanding = self.nlu.understand_batch([Request(text)])[0]
        request = dialogue_pb2.DecideRequest(
            conversation_id="c1",
            turn_id=str(uuid.uuid4()),
            principal=RESIDENT,
            transcript=asr_pb2.Transcript(text=text, outcome=asr_pb2.TRANSCRIPT_OUTCOME_TYPED, confidence=1),
            understanding=understanding,
        )
        decision = self._decide(request)
        if decision.tasks:
            occasion = occasion_of(self._turn(request, understanding), datetime.now(UTC))
            request.task_results.extend(
                self._dispatch.execute(task, occasion, self._session) for task in decision.tasks
            )
            request.previous.CopyFrom(decision)
            decision = self._decide(request)
        locale = "zh" if self._state.locale.startswith("zh") else "en"
        return self._generation.generate(generation_pb2.GenerateRequest(acts=decision.acts, locale=locale)).text

    def _decide(self, request: dialogue_pb2.DecideRequest) -> dialogue_pb2.Decision:
        self._state, decision, _ = self._dialogue.decide(self._state, request, datetime.now(UTC))
        return decision

    def _turn(self, request: dialogue_pb2.DecideRequest, understanding: nlu_pb2.Understanding) -> turn_pb2.Turn:
        utterance = turn_pb2.Utterance(turn_id=request.turn_id, conversation_id="c1", principal=RESIDENT)
        return turn_pb2.Turn(
            turn_id=request.turn_id, conversation_id="c1", utterance=utterance, understanding=understanding
        )


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every step was taken, in order."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "parley").symlink_to(PARLEY)
    for block in FENCE.finditer(TUTORIAL):
        file = re.search(r"file=(\S+)", block["info"])
        if file:
            target = folder / file[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block["body"], encoding="utf-8")
        elif block["language"] == "sh" and "run=no" not in block["info"]:
            done = subprocess.run(
                ["bash", "-euc", block["body"]], cwd=folder, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{block['body']}\n{done.stdout}\n{done.stderr}"
    return folder


def test_following_the_tutorial_gives_a_pack(followed: Path) -> None:
    pack = load_pack(followed / "coffee")

    assert set(pack.intents) == {"order_drink", "ask_barista"}
    assert {document.language for document in of_packs([pack])} == {"en", "zh"}


def test_the_orders_of_the_tutorial_are_taken_as_it_says(followed: Path, tmp_path: Path) -> None:
    database = on_sqlite(tmp_path)
    rows = [(match["said"].strip(), match["answer"].strip()) for match in ORDER.finditer(TUTORIAL)]
    orders = [row for row in rows if row[0] != "you say" and set(row[0]) != {"-"}]
    assert len(orders) >= 8

    with database.transaction() as session:
        bar = Bar(load_pack(followed / "coffee"), session)
        answers = [(said, bar.say(said)) for said, _ in orders]

        assert answers == orders
        first = session.get_one(TicketRow, 1)
        assert (first.kind, first.user_id) == ("coffee.order", RESIDENT.user_id)
        wanted = {"drink": "latte", "size": "large", "milk": "oat", "amount": "1"}
        assert wanted.items() <= first.arguments.items()
    database.close()


ORDERS = {
    "could i get a large dark roast latte with a double shot": {
        "drink": "latte", "size": "large", "roast": "dark", "shots": "double",
    },
    "small cappuccino with lots of milk and no sugar": {
        "drink": "cappuccino", "size": "small", "milk": "lots", "sweetness": "none",
    },
    "make me a medium mocha with a little sugar": {"drink": "mocha", "size": "medium", "sweetness": "little"},
    "i would like two large lattes with oat milk": {
        "drink": "latte", "size": "large", "milk_kind": "oat", "amount": "2",
    },
    "来一杯大杯拿铁多加奶不加糖": {
        "drink": "latte", "size": "large", "milk": "lots", "sweetness": "none", "amount": "1",
    },
}  # fmt: skip


def test_the_example_pack_understands_orders_by_its_templates() -> None:
    pack = load_pack(Path(__file__).resolve().parents[2] / "examples" / "domains" / "coffee")
    engine = NluEngine((*bundled_packs(), pack), load_models(ensure_model(StorageSettings.load())))

    for text, slots in ORDERS.items():
        understood = engine.understand_batch([Request(text)])[0]

        assert (understood.intent, understood.decided_by) == ("order_drink", "template"), text
        assert {slot.name: slot.value for slot in understood.slots} == slots, text
