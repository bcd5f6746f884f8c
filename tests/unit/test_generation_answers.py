"""Answers quote the evidence: the sentence, list or row that fits the question, and where it stands."""

from __future__ import annotations

import pytest

from parley.v1 import generation_pb2, knowledge_pb2
from services.generation.answer import quote
from services.generation.templates import TemplateBackend
from shared.packs import bundled_packs

pytestmark = pytest.mark.unit

BACKEND = TemplateBackend(bundled_packs())

DELIVERY = (
    "Method: Standard; Time: 3 to 5 working days; Cost: 4.90 euros\n"
    "Method: Express; Time: 1 to 2 working days; Cost: 9.90 euros\n"
    "Orders placed before 2 pm leave our warehouse the same day."
)
RETURN = (
    "Go through these steps:\n1. Open My orders.\n2. Print the label.\n3. Hand the parcel in at a shop.\n"
    "You need the order number."
)
EXCLUDED = "These items cannot be returned:\n- opened headphones\n- gift cards\n- food and flowers"
RESET = "Switch the lamp off and on. It flashes three times when it has been reset."
CHINESE = "周日不处理。我们检查退货需要 2 个工作日。用微信支付的退款 3 天内到账。"
FAQ = "Can I pay by cheque? No, we take cards only. Do you gift-wrap? Yes, for 3 euros."


def evidence(question: str, *texts: str, found: bool = True, title: str = "") -> knowledge_pb2.Evidence:
    passages = [
        knowledge_pb2.Passage(passage_id=f"p{number}", title=title, text=text, source=f"doc#{number}")
        for number, text in enumerate(texts)
    ]
    return knowledge_pb2.Evidence(query=knowledge_pb2.KnowledgeQuery(text=question), found=found, passages=passages)


@pytest.mark.parametrize(
    ("question", "text", "answer"),
    [
        ("How much is express delivery?", DELIVERY, "Method: Express; Time: 1 to 2 working days; Cost: 9.90 euros."),
        ("When do orders leave the warehouse?", DELIVERY,
         "Orders placed before 2 pm leave our warehouse the same day."),
        ("Where do I hand in the parcel?", RETURN,
         "Go through these steps: Open My orders; Print the label; Hand the parcel in at a shop."),
        ("Are opened headphones taken?", EXCLUDED, "These items cannot be returned: opened headphones."),
        ("Which items cannot be returned?", EXCLUDED,
         "These items cannot be returned: opened headphones; gift cards; food and flowers."),
        ("How often does a reset lamp flash?", RESET, RESET),
        ("微信退款几天到账", CHINESE, "用微信支付的退款 3 天内到账。"),
        ("do you take cheques", FAQ, "No, we take cards only."),
    ],
)  # fmt: skip
def test_the_part_that_answers_is_quoted(question: str, text: str, answer: str) -> None:
    quotation = quote(evidence(question, text))

    assert quotation is not None
    assert quotation.text == answer


def test_a_passage_that_shares_no_word_with_the_question_is_quoted_from_its_beginning() -> None:
    quotation = quote(evidence("Wie lange dauert das?", "A repair takes ten days. It is free. Bring it in."))

    assert quotation is not None
    assert quotation.text == "A repair takes ten days. It is free. Bring it in."


def test_words_of_the_title_tell_no_sentence_from_another() -> None:
    text = "Tell us at once. We search for eight days. If the parcel stays lost, we send it again."

    quotation = quote(evidence("My parcel is lost", text, title="Shipping > Lost parcels"))

    assert quotation is not None
    assert quotation.text.startswith("Tell us at once.")


def test_the_next_passage_is_quoted_where_the_best_one_shares_no_word() -> None:
    quotation = quote(evidence("Is gift wrapping offered?", "Nothing to see here.", "Gift wrapping costs 3 euros."))

    assert quotation is not None
    assert quotation.text == "Gift wrapping costs 3 euros."
    assert [citation.passage_id for citation in quotation.citations] == ["p1"]


def test_an_answer_cites_its_source() -> None:
    reply = _answered(evidence("How much is express?", DELIVERY, title="Shipping"))

    (citation,) = reply.citations
    assert (citation.passage_id, citation.title, citation.source) == ("p0", "Shipping", "doc#0")
    assert "9.90 euros" in reply.text


@pytest.mark.parametrize(
    "nothing",
    [
        evidence("Who won the cup?", "Some passage that is near but no answer.", found=False),
        evidence("Who won the cup?", found=True),
        knowledge_pb2.Evidence(),
    ],
)
def test_without_evidence_the_reply_says_that_it_does_not_know(nothing: knowledge_pb2.Evidence) -> None:
    english, chinese = _answered(nothing), _answered(nothing, "zh")

    assert english.text.startswith("I don't know that.")
    assert chinese.text.startswith("这个我不知道")
    assert not english.citations
    assert not chinese.citations


def test_a_fact_of_the_graph_is_told_where_there_is_no_passage() -> None:
    known = knowledge_pb2.Evidence(found=True)
    known.facts.add(subject="The express surcharge", predicate="is_never", object="refunded", source="graph")

    assert _answered(known).text == "The express surcharge is never refunded."


def test_evidence_is_not_quoted_unless_an_answer_is_asked_for() -> None:
    greeting = generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_GREET)
    request = generation_pb2.GenerateRequest(acts=[greeting], evidence=evidence("express", DELIVERY), locale="en")

    reply = BACKEND.generate(request)

    assert "euros" not in reply.text
    assert not reply.citations


def _answered(known: knowledge_pb2.Evidence, locale: str = "en") -> generation_pb2.Reply:
    act = generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_ANSWER)
    return BACKEND.generate(generation_pb2.GenerateRequest(acts=[act], evidence=known, locale=locale))
