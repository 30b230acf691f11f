"""Contents, events and calls come back from storage as they went in."""

import json

import pytest

from domain.calls import Command, CommandName, Outbound, Persona, decode_call, encode_call
from domain.ids import AccountId, MediaId, is_id, new_id
from domain.messages import (
    Button,
    Card,
    Content,
    Image,
    Inbound,
    Kind,
    Link,
    Location,
    MiniProgram,
    Text,
    Unparsed,
    Voice,
    WantedMedia,
    decode,
    decode_inbound,
    encode,
    encode_inbound,
)

CONTENTS: list[Content] = [
    Text("你好 👩‍👩‍👧\n#A17"),
    Image(MediaId("m1")),
    Voice(MediaId("m2"), "amr"),
    Location(31.2, 121.4, "静安"),
    Link("t", "https://a.example/x", "d", "p"),
    MiniProgram("t", "wx1", "pages/a?b=1", MediaId("m3")),
    Card("t", "b", (Button("k", "v"), Button("k2", "v2")), "q"),
    Unparsed("video", "<xml/>"),
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
def test_contents_survive_storage(content: Content) -> None:
    assert decode(json.loads(json.dumps(encode(content)))) == content


@pytest.mark.parametrize("content", [*CONTENTS, None], ids=lambda content: type(content).__name__)
def test_events_survive_storage(content: Content | None) -> None:
    wanted = (WantedMedia(MediaId("m1"), "MEDIA", "image"),)
    event = Inbound(
        AccountId("oa"), Kind.MESSAGE, "o1", "msg:1", "oa:o1", 5, content, "s", "k", "t", {"a": "b"}, wanted
    )
    assert decode_inbound(json.loads(json.dumps(encode_inbound(event)))) == event


@pytest.mark.parametrize(
    "call",
    [
        Outbound("o1", Text("x"), Persona("小兰", "lan@b"), "task"),
        Outbound("o1", Text("x")),
        Command(CommandName.MAKE_CODE, {"scene": "s1"}),
    ],
)
def test_calls_survive_storage(call: Outbound | Command) -> None:
    assert decode_call(json.loads(json.dumps(encode_call(call)))) == call


def test_ids_of_one_process_sort_as_they_were_made() -> None:
    made = [new_id(now) for now in (1, 1, 1, 2, 2, 3)]
    assert made == sorted(made)
    assert all(is_id(item) for item in made)
    assert not is_id("x" * 32)
    assert not is_id("0" * 31)
