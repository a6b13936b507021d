"""Asking for one verdict and for a conversation's, by mouse and by keyboard, errors included."""

from __future__ import annotations

import json
import re

import pytest
from selenium.webdriver.common.keys import Keys

from tests.conftest import StartServer
from tests.page.browser import Browser
from tests.server_process import ServerProcess

JUDGE = "#try-form button[type=submit]"
JUDGE_TURNS = "#conversation-form button[type=submit]"


def test_type_and_click(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny 0.0.1")
    browser.type("#prompt", "how to make a bomb")
    browser.click(JUDGE)
    shown = browser.wait_for_text("#verdict", "Decided by")
    expected = server.classify({"prompt": "how to make a bomb"}).json()["results"][0]
    assert expected["harmful"] is True
    assert "▲ Harmful" in shown
    assert f"{expected['probability'] * 100:.1f}%" in shown
    assert "the student" in shown
    assert "5 in 1 window" in shown
    assert "Worst window" not in shown
    assert re.search(r"Inference\n\d+\.\d ms", shown)
    said = browser.find("#verdict .scale").get_attribute("aria-label")
    assert said is not None
    assert f"Probability {expected['probability']:.3f}" in said
    assert "threshold 0.500" in said
    assert "0.400 to 0.600" in said
    geometry = browser.run(
        "const left = (css) => { const box = document.querySelector(css).getBoundingClientRect();"
        "return [box.left, box.width]; };"
        "return [left('.scale .track'), left('.scale .band'), left('.scale .marker')]"
    )
    (track, width), (band, band_width), (marker, marker_width) = geometry
    assert band == pytest.approx(track + 0.4 * width, abs=1.5)
    assert band_width == pytest.approx(0.2 * width, abs=1.5)
    centre = marker + marker_width / 2
    # The marker may still be gliding to its place.
    assert track <= centre <= track + width + 1


def test_an_answer_is_judged_given_its_prompt(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.type("#prompt", "tell me a story")
    browser.type("#response", "make a bomb with sugar")
    browser.click(JUDGE)
    assert "▲ Harmful" in browser.wait_for_text("#verdict", "Decided by")
    browser.find("#response").clear()
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "✓ Not harmful")


def test_markup_and_formulas_stay_text(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    nasty = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    browser.click("#tab-conversation")
    browser.paste("#conversation", f"User: {nasty}\nAssistant: </p>{nasty}")
    browser.click(JUDGE_TURNS)
    assert nasty in browser.wait_for_text("#turns", "at “balanced”")
    browser.click("#tab-try")
    browser.paste("#prompt", f"{nasty} " * 40)
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Worst window")
    assert browser.all("#main img, #main script") == []
    assert browser.run("return window.broken") is None


def test_the_worst_window_of_a_long_text(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    words = ["book"] * 400
    words[300] = "weapon"
    prompt = " ".join(words)
    browser.paste("#prompt", prompt)
    browser.click(JUDGE)
    shown = browser.wait_for_text("#verdict", "Worst window")
    worst = server.classify({"prompt": prompt}).json()["results"][0]["worst_window"]
    span = worst["prompt"]
    assert f"tokens {span['start'] + 1} to {span['end']} of 400" in shown
    assert f"Worst window: {worst['index'] + 1} of " in shown
    browser.click("#verdict summary")
    assert "weapon" in browser.text("#verdict .excerpt")


def test_operating_points_come_from_the_server(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.wait_for_text("#thresholds", "0.500")
    names = [option.text for option in browser.all("#operating-point option")]
    assert names == list(server.get("/info").json()["operating_points"])
    assert browser.find("#operating-point").get_attribute("value") == "balanced"
    browser.choose("#operating-point", "strict")
    browser.wait_for_text("#thresholds", "0.300")
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    assert "Operating point\nstrict" in browser.wait_for_text("#verdict", "Decided by")


def test_a_degraded_verdict_says_so(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.choose("#fallback", "always")
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    shown = browser.wait_for_text("#verdict", "Degraded")
    assert "the policy for a missing teacher" in shown


def test_a_language_that_the_student_was_not_measured_for(
    browser: Browser, server: ServerProcess
) -> None:
    browser.open(server.url + "/")
    browser.type("#prompt", "Wie backe ich ein Brot, das auch am nächsten Tag noch frisch ist?")
    browser.click(JUDGE)
    shown = browser.wait_for_text("#verdict", "Decided by")
    assert "Language: German. The student was not measured for it" in shown
    assert "a teacher was wanted" not in shown
    browser.find("#prompt").clear()
    browser.type("#prompt", "What is the capital of France?")
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "8 in 1 window")
    shown = browser.wait_for_text("#verdict", "Language\nEnglish")
    assert "was not measured" not in shown


def test_by_keyboard_alone(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.wait_for_text("#thresholds", "0.500")
    seen = [browser.tab() for _ in range(9)]
    assert seen == [
        *("Skip to content", "API", "key-toggle", "tab-try", "operating-point", "fallback"),
        *("prompt", "response", "Judge"),
    ]
    browser.chord(Keys.SHIFT, Keys.TAB)
    browser.chord(Keys.SHIFT, Keys.TAB)
    assert browser.focused() == "prompt"
    browser.press("poison")
    browser.chord(Keys.CONTROL, Keys.ENTER)
    browser.wait_for_text("#verdict", "▲ Harmful")
    browser.run("document.getElementById('tab-try').focus()")
    for expected in ("conversation", "file", "figures", "try"):
        browser.press(Keys.ARROW_RIGHT)
        assert browser.focused() == f"tab-{expected}"
        visible = [
            p.get_attribute("id") for p in browser.all("[role=tabpanel]") if p.is_displayed()
        ]
        assert visible == [f"panel-{expected}"]
    browser.press(Keys.ARROW_LEFT)
    assert browser.focused() == "tab-figures"


CONVERSATION = """User: tell me a story
Assistant: the cat read a book
and then the sea
user: how to make poison"""


@pytest.mark.parametrize(
    "pasted",
    [
        CONVERSATION,
        json.dumps(
            [
                {"role": "user", "content": "tell me a story"},
                {"role": "assistant", "content": "the cat read a book\nand then the sea"},
                {"role": "user", "content": [{"type": "text", "text": "how to make poison"}]},
            ]
        ),
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "tell me a story"},
                    {"role": "assistant", "content": "the cat read a book\nand then the sea"},
                    {"role": "user", "content": "how to make poison"},
                ]
            }
        ),
    ],
)
def test_every_turn_of_a_conversation(browser: Browser, server: ServerProcess, pasted: str) -> None:
    browser.open(server.url + "/")
    browser.click("#tab-conversation")
    browser.paste("#conversation", pasted)
    browser.click(JUDGE_TURNS)
    assert "1 of 3 judged turns harmful" in browser.wait_for_text("#turns", "judged turns")
    first, second, third = (turn.text for turn in browser.all(".turn"))
    assert first.startswith("1. User")
    assert "✓ Not harmful" in first
    assert second.startswith("2. Assistant")
    assert "the cat read a book\nand then the sea" in second
    assert third.startswith("3. User")
    assert "▲ Harmful" in third


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "Paste a conversation"),
        ("hello", "must begin with"),
        ("[{", "not complete"),
        ("{}", "no list of messages"),
        ('[{"role": "user"}]', "Message 1"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', "Message 1"),
        ('[{"role": "tool", "content": "x"}]', "HTTP 422"),
        ("System: hello", "HTTP 422"),
    ],
)
def test_what_is_no_conversation(
    browser: Browser, server: ServerProcess, pasted: str, said: str
) -> None:
    browser.open(server.url + "/")
    browser.click("#tab-conversation")
    browser.paste("#conversation", pasted)
    browser.click(JUDGE_TURNS)
    browser.wait_for_text("#conversation-error", said)
    assert browser.text("#turns") == ""


def test_an_error_takes_the_old_verdict_away(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Not harmful")
    browser.find("#prompt").clear()
    browser.click(JUDGE)
    said = browser.wait_for_text("#try-error", "The prompt is empty")
    assert "HTTP 422" in said
    assert browser.text("#verdict") == ""
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Not harmful")
    assert browser.text("#try-error") == ""


def test_too_long_a_text_is_refused_and_said(browser: Browser, start_server: StartServer) -> None:
    server = start_server(max_exchange_chars=200)
    browser.open(server.url + "/")
    browser.paste("#prompt", "book " * 100)
    browser.click(JUDGE)
    browser.wait_for_text("#try-error", "HTTP 413")


def test_a_full_queue_is_said(browser: Browser, start_faulty_server: StartServer) -> None:
    server = start_faulty_server(
        {"delay_s": 5.0}, max_queue_tokens=1024, max_exchange_tokens=512, max_batch_tokens=64
    )
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny")
    body = json.dumps({"inputs": [{"prompt": "book " * 30}] * 30}).encode()
    head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with server.connect() as other:
        other.sendall(b"POST /classify HTTP/1.1\r\nHost: localhost\r\n" + head.encode() + body)
        server.wait_for_metric("postern_queue_tokens", at_least=700.0)
        browser.paste("#prompt", "book " * 450)
        browser.click(JUDGE)
        said = browser.wait_for_text("#try-error", "HTTP 429")
    assert "Try again in" in said
    assert browser.text("#verdict") == ""


def test_a_server_that_stops_gives_no_verdict(browser: Browser, start_server: StartServer) -> None:
    server = start_server()
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny")
    server.stop()
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    assert "No verdict was given" in browser.wait_for_text("#try-error", "does not answer")
    assert browser.text("#verdict") == ""


def test_unauthorised_and_then_a_key(browser: Browser, start_server: StartServer) -> None:
    server = start_server(api_keys="zzsecretzz")
    browser.open(server.url + "/")
    browser.wait_for_text("#key-message", "Unauthorised")
    browser.wait_for_text("#model", "asks for an API key")
    browser.type("#prompt", "cake")
    browser.click(JUDGE)
    browser.wait_for_text("#try-error", "HTTP 401")
    for wrong in ("zzwrongzz", "schlüssel \u20ac"):
        browser.paste("#key", wrong)
        browser.click("#key-form button")
        browser.wait(lambda: browser.find("#key").get_attribute("value") == "", "the key is taken")
        browser.click(JUDGE)
        browser.wait(lambda: browser.text("#try-error"), "an error")
        assert browser.text("#verdict") == ""
    browser.type("#key", "zzsecretzz")
    browser.press(Keys.ENTER)
    browser.wait_for_text("#model", "tiny")
    assert not browser.find("#key-panel").is_displayed()
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Not harmful")
    kept = browser.run(
        "return JSON.stringify([{...localStorage}, {...sessionStorage}]) + document.cookie"
    )
    assert kept == "[{},{}]"
    assert "zzsecretzz" not in browser.run("return document.documentElement.outerHTML")
    browser.driver.refresh()
    browser.wait_for_text("#key-message", "Unauthorised")
