"""Template cards: what each card type must hold, and how it looks on the member's phone.

https://developer.work.weixin.qq.com/document/path/90236
"""

import re
from typing import Any

from emulator.api import Refused
from emulator.limits import Limits

TASK_ID = re.compile(r"[0-9A-Za-z_\-@]+\Z")
NOTICES = ("text_notice", "news_notice")
CHOICES = ("vote_interaction", "multiple_interaction")
INTERACTIVE = ("button_interaction", *CHOICES)

Card = dict[str, Any]
Button = dict[str, Any]


def check(limits: Limits, card: Card) -> list[Button]:
    """Check a card and give the buttons a member may press. Raises Refused naming the element that is wrong."""
    card_type = card.get("card_type")
    if card_type not in (*NOTICES, *INTERACTIVE):
        raise Refused(40058, f"template_card.card_type {card_type!r}")
    _check_title(card)
    _check_task(limits, card)
    _at_most(limits, card, "horizontal_content_list", "wecom.horizontal_items")
    if card_type in NOTICES:
        _need_object(card, "card_action")
        return []
    if card_type == "button_interaction":
        return _buttons(limits, card)
    _check_choices(limits, card)
    return _submit_button(card)


def title(card: Card) -> str:
    """The words that name a card: its main title, or its second line."""
    return str(_object(card, "main_title").get("title") or card.get("sub_title_text") or "")


def needs_callback(card: Card) -> bool:
    """Whether pressing something on the card is told to the app."""
    return card.get("card_type") in INTERACTIVE or "action_menu" in card


def _check_title(card: Card) -> None:
    if not title(card):
        raise Refused(40058, "template_card.main_title")
    if card["card_type"] != "text_notice" and not _object(card, "main_title").get("title"):
        raise Refused(40058, "template_card.main_title.title")


def _check_task(limits: Limits, card: Card) -> None:
    task_id = card.get("task_id")
    if task_id is None and not needs_callback(card):
        return
    if not isinstance(task_id, str) or not TASK_ID.match(task_id) or len(task_id) > limits["wecom.task_id"].value:
        raise Refused(limits["wecom.task_id"].errcode, "template_card.task_id")
    if "action_menu" in card:
        menu = _object(card, "action_menu")
        _need_list(limits, menu, "action_list", "wecom.menu_actions")


def _buttons(limits: Limits, card: Card) -> list[Button]:
    buttons = _need_list(limits, card, "button_list", "wecom.buttons")
    for button in buttons:
        _check_button(limits, button)
    keys = [button["key"] for button in buttons if button.get("type") != 1]
    if len(set(keys)) != len(keys):
        raise Refused(40058, "template_card.button_list: a key occurs twice")
    if "button_selection" in card:
        _need_list(limits, _object(card, "button_selection"), "option_list", "wecom.dropdown_options")
    return [_button(button) for button in buttons]


def _check_button(limits: Limits, button: Button) -> None:
    text, key = button.get("text"), button.get("key")
    if not isinstance(text, str) or not 1 <= len(text) <= limits["wecom.button_text"].value:
        raise Refused(40058, "template_card.button_list.text")
    if button.get("style", 1) not in (1, 2, 3, 4):
        raise Refused(40058, "template_card.button_list.style")
    if button.get("type", 0) == 1:
        if not button.get("url"):
            raise Refused(40058, "template_card.button_list.url")
    elif not isinstance(key, str) or not 1 <= len(key.encode()) <= limits["wecom.button_key"].value:
        raise Refused(40058, "template_card.button_list.key")


def _button(button: Button) -> Button:
    shown = {"key": str(button.get("key", "")), "text": button["text"], "done": False}
    return {**shown, "url": button["url"]} if button.get("type") == 1 else shown


def _check_choices(limits: Limits, card: Card) -> None:
    if card["card_type"] == "vote_interaction":
        _need_list(limits, _object(card, "checkbox"), "option_list", "wecom.vote_options")
        return
    for selector in _need_list(limits, card, "select_list", "wecom.selectors"):
        _need_list(limits, selector, "option_list", "wecom.dropdown_options")


def _submit_button(card: Card) -> list[Button]:
    submit = _need_object(card, "submit_button")
    if not submit.get("text") or not submit.get("key"):
        raise Refused(40058, "template_card.submit_button")
    return [{"key": str(submit["key"]), "text": str(submit["text"]), "done": False}]


def _object(holder: Card, key: str) -> Card:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _need_object(holder: Card, key: str) -> Card:
    if not isinstance(holder.get(key), dict):
        raise Refused(40058, f"template_card.{key}")
    return _object(holder, key)


def _need_list(limits: Limits, holder: Card, key: str, limit: str) -> list[Card]:
    items = holder.get(key)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise Refused(40058, f"template_card.{key}")
    if len(items) > limits[limit].value:
        raise Refused(limits[limit].errcode, f"template_card.{key}: at most {limits[limit].value}")
    return items


def _at_most(limits: Limits, holder: Card, key: str, limit: str) -> None:
    if key in holder:
        _need_list(limits, holder, key, limit)
