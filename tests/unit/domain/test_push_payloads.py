"""What APNs and FCM get for a message."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from homeport.domain.model.device import Platform
from homeport.domain.push_payloads import Notice, render, render_apns, render_fcm, size
from tests.unit.domain.tables import check_each


def notice(title: str = "Hi", text: str = "Lunch?", **data: Any) -> Notice:
    return Notice("message-id", "record-id", "ann", title, text, data)


IDS = {"message": "message-id", "record": "record-id", "sender": "ann"}


def test_an_alert_for_apns() -> None:
    assert render_apns(notice(table=4)) == {
        "aps": {"alert": {"title": "Hi", "body": "Lunch?"}, "sound": "default"},
        **IDS,
        "data": {"table": 4},
    }


def test_an_alert_for_fcm_has_strings_only_in_its_data() -> None:
    assert render_fcm(notice(table=4)) == {
        "notification": {"title": "Hi", "body": "Lunch?"},
        "android": {"notification": {"tag": "record-id"}},
        "data": {**IDS, "data": '{"table":4}'},
    }


def test_an_empty_title_is_left_out() -> None:
    assert render_apns(notice(title=""))["aps"]["alert"] == {"body": "Lunch?"}
    assert render_fcm(notice(title=""))["notification"] == {"body": "Lunch?"}


def test_a_message_of_data_alone_is_silent() -> None:
    silent = notice(title="", text="", table=4)
    assert render_apns(silent) == {"aps": {"content-available": 1}, **IDS, "data": {"table": 4}}
    assert render_fcm(silent) == {"data": {**IDS, "data": '{"table":4}'}}


def test_names_that_fcm_keeps_for_itself_are_not_used() -> None:
    names = render_fcm(notice(table=4))["data"]
    assert not {"from", "message_type", "notification"} & set(names)
    assert not any(name.startswith(("google", "gcm")) for name in names)


@pytest.mark.parametrize("platform", list(Platform))
def test_data_gives_way_before_the_text_does(platform: Platform) -> None:
    payload = render(platform, notice(text="x" * 3000, blob="y" * 2000))
    text = json.dumps(payload)
    assert "x" * 3000 in text
    assert "yyy" not in text
    assert "record-id" in text


def test_a_long_text_is_cut_to_just_fit() -> None:
    def fits(case: tuple[Platform, str, int]) -> None:
        platform, letter, limit = case
        payload = render(platform, notice(text=letter * 5000 + "."), limit)
        assert limit - 8 < size(payload) <= limit
        shown = payload["aps"]["alert"] if platform is Platform.APNS else payload["notification"]
        assert shown["title"] == "Hi"
        assert shown["body"].rstrip("…").strip(letter) == ""
        assert shown["body"].endswith("…")
        assert "record-id" in json.dumps(payload)
        tagged = payload.get("android") == {"notification": {"tag": "record-id"}}
        assert tagged is (platform is Platform.FCM)

    check_each(fits, product(Platform, ["x", "ü", "好", "𝄞", '"', "\x01"], [4096, 2048]))


def test_what_just_fits_is_not_cut() -> None:
    room = 4096 - size(render_apns(notice(text="")))
    room -= len(',"body":""')
    assert render_apns(notice(text="x" * room))["aps"]["alert"]["body"] == "x" * room
    cut = render_apns(notice(text="x" * (room + 1)))["aps"]["alert"]["body"]
    assert cut == "x" * (room - 3) + "…"


def test_what_a_reader_sees_as_one_character_is_not_cut() -> None:
    def whole(together: str) -> None:
        for padding in range(len(together.encode())):
            long = notice(text="x" * padding + together * (5000 // len(together.encode())))
            body: str = render_apns(long)["aps"]["alert"]["body"]
            rest = body.removeprefix("x" * padding).removesuffix("…")
            assert rest == together * (len(rest) // len(together))

    check_each(
        whole,
        ["e\u0301", "👍🏽", "👍🏻", "👍🏿", "👩\u200d🚀", "❤\ufe0f", "❤\ufe0e", "1\ufe0f\u20e3"],
    )


def test_no_space_stands_before_the_ellipsis() -> None:
    room = 4096 - size(render_apns(notice(text=""))) - len(',"body":""')
    body = render_apns(notice(text="x" * (room - 10) + " " * 10 + "y" * 10))["aps"]["alert"]["body"]
    assert body == "x" * (room - 10) + "…"


def test_the_longest_title_and_ids_leave_room() -> None:
    long = Notice("m" * 128, "r" * 32, "s" * 128, "\x01" * 256, "text " * 1000, {})
    for platform in Platform:
        payload = render(platform, long, 2048)
        assert size(payload) <= 2048
        alert = payload["aps"]["alert"] if "aps" in payload else payload["notification"]
        assert alert["title"] == long.title
