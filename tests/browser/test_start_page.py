"""The page of a definition: commands that follow the form, values of earlier runs, copying, and
where the focus is after a mistake.
"""

import json
import shlex

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def command(tab, name):
    return tab.find(f"[data-part='{name}']").text_content()


def sent(tab):
    """Return the body of the `curl` command."""
    return json.loads(shlex.split(command(tab, "curl").replace("\\\n", " "))[-1])


def test_the_commands_follow_the_form(site, tabs):
    tab = tabs.new(site).open("/definitions/particular")
    word, rounds, share, loud = (
        tab.page.get_by_label(name) for name in ("word", "rounds", "share", "loud")
    )
    word.fill('it\'s a "word" & more')
    rounds.fill("7")
    share.fill("0.5")
    loud.check()
    assert sent(tab) == {
        "definition": "particular",
        "params": {"word": 'it\'s a "word" & more', "rounds": 7, "share": 0.5, "loud": True},
    }
    assert shlex.split(command(tab, "cli"))[5::2] == [
        'word=it\'s a "word" & more',
        "rounds=7",
        "share=0.5",
        "loud=true",
    ]
    rounds.fill("")
    assert "rounds" not in sent(tab)["params"], "a field left empty is not sent"


def test_the_scripts_make_the_commands_that_the_server_made(site, tabs):
    tab = tabs.new(site).open("/definitions/particular")
    served = command(tab, "cli"), command(tab, "curl")
    word = tab.page.get_by_label("word")
    word.fill("x")
    assert command(tab, "cli") != served[0]
    word.fill("")
    assert (command(tab, "cli"), command(tab, "curl")) == served


def test_a_command_that_was_copied_does_what_the_form_does(site, tabs):
    tab = tabs.new(site, permissions=["clipboard-read", "clipboard-write"]).open(
        "/definitions/particular"
    )
    tab.page.get_by_label("word").fill("copied")
    button = tab.page.get_by_role("button", name="curl")
    button.focus()
    tab.page.keyboard.press("Enter")
    expect(button).to_have_text("Copied")
    expect(tab.find("[data-part='copied']")).to_have_text("Copied")
    expect(button).to_be_focused()
    body = json.loads(
        shlex.split(tab.page.evaluate("navigator.clipboard.readText()").replace("\\\n", " "))[-1]
    )
    answer = site.post("/api/jobs", json=body)
    assert answer.json()["params"]["word"] == "copied"
    expect(button).to_have_text("Copy")


def test_a_value_of_an_earlier_run_is_filled_in_with_mouse_or_keyboard(site, tabs):
    site.submit("particular", word="older", rounds=4)
    site.submit("particular", word="newer", rounds=6)
    tab = tabs.new(site).open("/definitions/particular")
    word, rounds = tab.page.get_by_label("word"), tab.page.get_by_label("rounds")
    tab.page.get_by_role("button", name="older", exact=True).click()
    expect(word).to_have_value("older")
    expect(word).to_be_focused()
    tab.page.get_by_role("button", name="6", exact=True).focus()
    tab.page.keyboard.press("Enter")
    expect(rounds).to_have_value("6")
    assert sent(tab)["params"]["word"] == "older" and sent(tab)["params"]["rounds"] == 6


def test_after_a_mistake_the_focus_is_on_the_first_wrong_field(site, tabs):
    for scripts in (True, False):
        tab = tabs.new(site, java_script_enabled=scripts).open("/definitions/particular")
        tab.page.get_by_label("share").fill("half")
        tab.page.get_by_label("rounds").fill("12")
        tab.may_miss_network = True  # the browser says of the answer that it is a 422
        tab.follow(tab.page.get_by_role("button", name="Start"))
        tab.may_miss_network = False
        expect(tab.page.get_by_label("rounds")).to_be_focused()


def test_a_phone_has_all_of_it_and_nothing_beyond_its_edge(shared_server, tabs):
    tab = tabs.new(shared_server, viewport={"width": 390, "height": 844}).open(
        "/definitions/test_job"
    )
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "after build, analyse" in tab.find(".outline").inner_text()
    expect(tab.find(".graph")).to_be_hidden()


def test_a_wide_page_draws_the_steps(shared_server, tabs):
    tab = tabs.new(shared_server, viewport={"width": 1280, "height": 800}).open(
        "/definitions/test_job"
    )
    boxes = {
        node.locator("title").text_content(): node.bounding_box()
        for node in tab.find(".node").all()
    }
    assert (
        boxes["prepare"]["x"] < boxes["build"]["x"] == boxes["analyse"]["x"] < boxes["publish"]["x"]
    )
    assert tab.find(".edge").count() == 4
