"""Conversations of several turns, in English and Chinese: what is said, and what the engine decides."""

from __future__ import annotations

import pytest

from tests.talk import (
    Asks,
    Confirms,
    Does,
    Expected,
    LooksUp,
    Said,
    Talk,
    confirms,
    does,
    does_confirmed,
    later,
    said,
    says,
)

pytestmark = pytest.mark.unit

KITCHEN_LIGHT = {"device": "light", "area": "kitchen"}
BEDROOM_LIGHT = {"device": "light", "area": "bedroom"}
YES = said("yes", "affirm")
NO = said("no", "deny")
UNLOCK = said("unlock the front door", "unlock_door", door="front_door")
LIGHT_ON = said("turn on the light", "turn_on", device="light")
KITCHEN_ON = said("turn on the kitchen light", "turn_on", device="light", area="kitchen")

CONVERSATIONS: dict[str, list[tuple[Said, Expected]]] = {
    "a complete request is done at once": [(KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT))],
    "a complete request in Chinese is done at once": [
        (
            said("打开厨房的灯", "turn_on", device="light:灯", area="kitchen:厨房"),
            does("home.turn_on", **KITCHEN_LIGHT),
        ),
    ],
    "the area is asked for, and one word answers it though nlu calls it out of scope": [
        (LIGHT_ON, Asks("area")),
        (said("kitchen"), does("home.turn_on", **KITCHEN_LIGHT)),
    ],
    "an answer in a short phrase is understood whatever nlu makes of it": [
        (LIGHT_ON, Asks("area")),
        (said("in the kitchen please", "turn_off", 0.97, area="kitchen"), does("home.turn_on", **KITCHEN_LIGHT)),
    ],
    "an answer in Chinese is found by its words": [
        (said("开灯", "turn_on", device="light:灯"), Asks("area")),
        (said("卧室里的"), does("home.turn_on", **BEDROOM_LIGHT)),
    ],
    "two areas in the answer are two tasks": [
        (LIGHT_ON, Asks("area")),
        (said("the kitchen and the bedroom"), Does("home.turn_on", (KITCHEN_LIGHT, BEDROOM_LIGHT))),
    ],
    "the area is not asked for where only one device of the kind exists": [
        (said("turn on the tv", "turn_on", device="tv"), does("home.turn_on", device="tv", area="living_room")),
    ],
    "two slots are asked for one after the other": [
        (said("switch something on", "turn_on"), Asks("device")),
        (said("the fan"), Asks("area")),
        (said("bedroom"), does("home.turn_on", device="fan", area="bedroom")),
    ],
    "what else an answer tells is taken too": [
        (said("switch something on", "turn_on"), Asks("device")),
        (said("the bedroom light"), does("home.turn_on", **BEDROOM_LIGHT)),
    ],
    "an answer may correct what was understood before": [
        (LIGHT_ON, Asks("area")),
        (said("the bedroom fan"), does("home.turn_on", device="fan", area="bedroom")),
    ],
    "several things at once are several tasks": [
        (
            said(
                "turn off the kitchen light and the bedroom fan",
                "turn_off",
                device=("light", "fan"),
                area=("kitchen", "bedroom"),
            ),
            Does("home.turn_off", (KITCHEN_LIGHT, {"device": "fan", "area": "bedroom"})),
        ),
        (
            said("turn them on", "turn_on"),
            Does("home.turn_on", (KITCHEN_LIGHT, {"device": "fan", "area": "bedroom"})),
        ),
    ],
    "one area for two devices": [
        (
            said("turn on the light and the fan in the bedroom", "turn_on", device=("light", "fan"), area="bedroom"),
            Does("home.turn_on", (BEDROOM_LIGHT, {"device": "fan", "area": "bedroom"})),
        ),
    ],
    "defaults stand in for what nobody said": [
        (
            said("make the bedroom blue", "set_color", color="blue", area="bedroom"),
            does("home.set_color", color="blue", **BEDROOM_LIGHT),
        ),
        (
            said("set the temperature to 21", "set_temperature", temperature="21"),
            does("home.set_temperature", temperature="21", area="everywhere"),
        ),
    ],
    "a different request, clearly understood, starts over": [
        (LIGHT_ON, Asks("area")),
        (
            said("lock the front door", "lock_door", door="front_door"),
            does("home.lock", door="front_door"),
        ),
        (said("kitchen"), says("OUT_OF_SCOPE")),
    ],
    "a different request that is not clearly understood does not start over": [
        (LIGHT_ON, Asks("area")),
        (said("kitchen maybe", "get_temperature", 0.4), does("home.turn_on", **KITCHEN_LIGHT)),
    ],
    "after two answers that fit nothing it gives up": [
        (LIGHT_ON, Asks("area")),
        (said("purple elephants"), Asks("area")),
        (said("you know which"), says("CANCELLED", "HELP")),
        (said("kitchen"), says("OUT_OF_SCOPE")),
    ],
    "a yes to an open question is no answer": [
        (LIGHT_ON, Asks("area")),
        (YES, Asks("area")),
        (said("hallway"), does("home.turn_on", device="light", area="hallway")),
    ],
    "a refusal to answer cancels": [(LIGHT_ON, Asks("area")), (NO, says("CANCELLED"))],
    "never mind cancels the pending request": [
        (LIGHT_ON, Asks("area")),
        (said("never mind"), says("CANCELLED")),
        (said("cancel", "cancel"), says("NOTHING_TO_DO")),
    ],
    "算了 cancels the pending request": [
        (said("开灯", "turn_on", device="light:灯"), Asks("area")),
        (said("算了"), says("CANCELLED")),
        (said("取消", "cancel"), says("NOTHING_TO_DO")),
    ],
    "an unanswered question expires": [
        (LIGHT_ON, Asks("area")),
        (later(said("kitchen"), minutes=6), says("OUT_OF_SCOPE")),
    ],
    "silence leaves the question open": [
        (LIGHT_ON, Asks("area")),
        (Said("", heard="SILENCE"), Asks("area")),
        (said("kitchen"), does("home.turn_on", **KITCHEN_LIGHT)),
    ],
    "what cannot be heard is said to be unheard": [
        (Said("", heard="NOT_AUDIO"), says("NOT_HEARD")),
        (Said("   "), says("NOT_HEARD")),
    ],
    "help in between leaves the question open": [
        (LIGHT_ON, Asks("area")),
        (said("help", "help"), Asks("area")),
        (said("office"), does("home.turn_on", device="light", area="office")),
    ],
    "a high risk is always confirmed, and done after a yes": [
        (UNLOCK, confirms(door="front_door")),
        (YES, does_confirmed("home.unlock", door="front_door")),
        (YES, says("NOTHING_TO_DO")),
    ],
    "a high risk is confirmed in Chinese": [
        (said("打开前门的锁", "unlock_door", 0.99, door="front_door:前门"), confirms(door="front_door")),
        (said("好的"), does_confirmed("home.unlock", door="front_door")),
    ],
    "a no cancels what was to be confirmed": [
        (UNLOCK, confirms(door="front_door")),
        (NO, says("CANCELLED")),
        (YES, says("NOTHING_TO_DO")),
    ],
    "不要 cancels what was to be confirmed": [
        (said("取消订单A1001", "cancel_order", order_id="A1001"), confirms(order_id="A1001")),
        (said("不要"), says("CANCELLED")),
    ],
    "an unsure yes lets no risk through": [
        (UNLOCK, confirms(door="front_door")),
        (said("well alright", "affirm", 0.5), confirms(door="front_door")),
        (said("yes but not now", "affirm", 0.99), says("CANCELLED", "HELP")),
    ],
    "a yes with the request repeated is a yes": [
        (UNLOCK, confirms(door="front_door")),
        (
            said("yes, unlock it", "unlock_door"),
            does_confirmed("home.unlock", door="front_door"),
        ),
    ],
    "a correction is confirmed anew": [
        (UNLOCK, confirms(door="front_door")),
        (said("no, the back door", "lock_door", 0.6, door="back_door"), confirms(door="back_door")),
        (YES, does_confirmed("home.unlock", door="back_door")),
    ],
    "another request drops the pending one": [
        (UNLOCK, confirms(door="front_door")),
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (YES, says("NOTHING_TO_DO")),
    ],
    "a confirmation expires": [
        (UNLOCK, confirms(door="front_door")),
        (later(YES, minutes=6), says("NOTHING_TO_DO")),
    ],
    "a medium risk is done at once when understood with certainty": [
        (
            said("open the curtains in the bedroom", "open_cover", 0.93, cover="curtains", area="bedroom"),
            does("home.open_cover", cover="curtains", area="bedroom"),
        ),
    ],
    "a medium risk is confirmed when not": [
        (said("open the blinds", "open_cover", 0.6, cover="blinds"), confirms(cover="blinds")),
        (said("sure"), does_confirmed("home.open_cover", cover="blinds")),
    ],
    "a slot is asked for before the risk is confirmed": [
        (said("unlock the door", "unlock_door"), Asks("door")),
        (said("the back one", door="back_door:back"), confirms(door="back_door")),
        (YES, does_confirmed("home.unlock", door="back_door")),
    ],
    "it is the device of the last turn, in its area": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (said("turn it off", "turn_off"), does("home.turn_off", **KITCHEN_LIGHT)),
        (said("make it red", "set_color", color="red"), does("home.set_color", color="red", **KITCHEN_LIGHT)),
    ],
    "把它关了 means the device of the last turn": [
        (
            said("打开卧室的风扇", "turn_on", device="fan:风扇", area="bedroom:卧室"),
            does("home.turn_on", device="fan", area="bedroom"),
        ),
        (said("把它关了", "turn_off"), does("home.turn_off", device="fan", area="bedroom")),
    ],
    "it may be a door or a cover": [
        (UNLOCK, confirms(door="front_door")),
        (NO, says("CANCELLED")),
        (said("lock it", "lock_door"), does("home.lock", door="front_door")),
        (
            said("open the garage door", "open_cover", 0.9, cover="garage_door"),
            does("home.open_cover", cover="garage_door"),
        ),
        (said("close it", "close_cover"), does("home.close_cover", cover="garage_door")),
    ],
    "it is never a thing the intent cannot take": [
        (UNLOCK, confirms(door="front_door")),
        (NO, says("CANCELLED")),
        (said("turn it on", "turn_on"), Asks("device")),
    ],
    "it is nothing after half an hour": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (later(said("turn it off", "turn_off"), minutes=31), Asks("device")),
    ],
    "that light is the one just spoken of": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (said("turn that light off", "turn_off", device="light"), does("home.turn_off", **KITCHEN_LIGHT)),
        (said("turn on the light, it is dark", "turn_on", device="light"), Asks("area")),
    ],
    "there is the area of the last turn": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (said("how warm is it there", "get_temperature"), does("home.get_temperature", area="kitchen")),
        (
            said("set the temperature there to 20", "set_temperature", temperature="20"),
            does("home.set_temperature", temperature="20", area="kitchen"),
        ),
    ],
    "那里 is the area of the last turn": [
        (
            said("打开书房的灯", "turn_on", device="light:灯", area="office:书房"),
            does("home.turn_on", device="light", area="office"),
        ),
        (said("打开那里的风扇", "turn_on", device="fan:风扇"), does("home.turn_on", device="fan", area="office")),
    ],
    "there answers the question for the area": [
        (
            said("what is the temperature in the office", "get_temperature", area="office"),
            does("home.get_temperature", area="office"),
        ),
        (said("turn on the fan", "turn_on", device="fan"), Asks("area")),
        (said("there"), does("home.turn_on", device="fan", area="office")),
    ],
    "there is, and hi there, point nowhere": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (said("is there a light on", "turn_on", device="light"), Asks("area")),
    ],
    "and the bedroom repeats the last request elsewhere": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (said("and in the bedroom?"), does("home.turn_on", **BEDROOM_LIGHT)),
        (said("what about the office", "ask_question", 0.7), does("home.turn_on", device="light", area="office")),
    ],
    "卧室呢 repeats the last request elsewhere": [
        (
            said("打开厨房的灯", "turn_on", device="light:灯", area="kitchen:厨房"),
            does("home.turn_on", **KITCHEN_LIGHT),
        ),
        (said("卧室呢", "get_temperature", 0.9, area="bedroom:卧室"), does("home.turn_on", **BEDROOM_LIGHT)),
        (said("那书房呢？"), does("home.turn_on", device="light", area="office")),
    ],
    "and the fan repeats the last request where the last device stood": [
        (
            said("turn on the bedroom light", "turn_on", device="light", area="bedroom"),
            does("home.turn_on", **BEDROOM_LIGHT),
        ),
        (said("and the fan"), does("home.turn_on", device="fan", area="bedroom")),
        (said("and the tv too"), does("home.turn_on", device="tv", area="living_room")),
    ],
    "a follow-up of a medium risk is confirmed": [
        (
            said("open the curtains in the bedroom", "open_cover", cover="curtains", area="bedroom"),
            does("home.open_cover", cover="curtains", area="bedroom"),
        ),
        (said("and in the living room"), confirms(cover="curtains", area="living_room")),
    ],
    "a follow-up that is a request of its own is one": [
        (KITCHEN_ON, does("home.turn_on", **KITCHEN_LIGHT)),
        (
            said("and turn off the bedroom light", "turn_off", device="light", area="bedroom"),
            does("home.turn_off", **BEDROOM_LIGHT),
        ),
    ],
    "a code is taken from the words around it": [
        (said("i want my money back", "request_refund"), Asks("order_id")),
        (said("it is A-1234 I think", "ticket_status", 0.5), does("tickets.refund", order_id="A-1234")),
    ],
    "a code that is none is asked for again": [
        (said("我要退款", "request_refund"), Asks("order_id")),
        (said("我不知道"), Asks("order_id")),
        (said("订单号是B2002"), does("tickets.refund", order_id="B2002")),
    ],
    "a text slot takes the whole answer": [
        (said("set a reminder in 10 minutes", "set_reminder", duration="600:10 minutes"), Asks("subject")),
        (said("Call my mother."), does("reminders.set_reminder", duration="600", subject="Call my mother")),
    ],
    "a text slot takes the whole answer in Chinese": [
        (said("我要投诉", "complain"), Asks("subject")),
        (said("包裹破了。"), does("tickets.complaint", subject="包裹破了")),
    ],
    "a duration is read from digits and from words": [
        (said("set a timer", "set_timer"), Asks("duration")),
        (said("an hour"), Asks("duration")),
        (said("twenty five minutes"), does("reminders.set_timer", duration="1500")),
        (said("设个闹钟", "set_timer"), Asks("duration")),
        (said("一小时二十分钟"), does("reminders.set_timer", duration="4800")),
    ],
    "a percentage beyond 100 is no answer": [
        (said("dim the kitchen light", "set_brightness", device="light", area="kitchen"), Asks("brightness")),
        (said("140 percent"), Asks("brightness")),
        (said("40 percent"), does("home.set_brightness", brightness="40", **KITCHEN_LIGHT)),
    ],
    "questions go to the documents of their pack": [
        (
            said("what is your return policy", "ask_question"),
            LooksUp("what is your return policy", ("customer_service",)),
        ),
    ],
    "questions out of scope go to all documents, statements to nobody": [
        (said("who won the world cup"), LooksUp("who won the world cup", ())),
        (said("长城有多长"), LooksUp("长城有多长", ())),
        (said("my cat is green"), says("OUT_OF_SCOPE")),
        (said("我的猫是绿色的"), says("OUT_OF_SCOPE")),
    ],
    "small talk": [
        (said("hello", "greet"), says("GREET")),
        (said("thank you", "thank"), says("WELCOME")),
        (said("what can you do", "help"), says("HELP")),
        (said("再见", "goodbye"), says("GOODBYE")),
        (NO, says("NOTHING_TO_DO")),
    ],
    "nothing was said that could be repeated": [(said("say that again", "repeat"), says("NOTHING_TO_DO"))],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(name: str) -> None:
    talk = Talk()

    for utterance, expected in CONVERSATIONS[name]:
        decision = talk.hear(utterance)

        expected.check(decision)
        assert decision.reason


def test_confirmations_of_several_tasks_are_several_acts() -> None:
    talk = Talk()
    both = said("unlock the front door and the back door", "unlock_door", door=("front_door", "back_door"))

    asked = talk.hear(both)
    done = talk.hear(YES)

    Confirms(({"door": "front_door"}, {"door": "back_door"})).check(asked)
    Does("home.unlock", ({"door": "front_door"}, {"door": "back_door"}), confirmed=True).check(done)
    assert [act.task_id for act in asked.acts] == [task.task_id for task in done.tasks]
