"""The form that starts a job: checked by the server, mistakes said at their fields, what was
typed kept.
"""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_mistakes_are_shown_at_their_fields_and_a_corrected_form_starts_the_job(site, tabs):
    tab = tabs.new(site).open("/")
    tab.follow(tab.find('a[href="/definitions/particular"]'))
    word, rounds, share, loud = (
        tab.page.get_by_label(name) for name in ("word", "rounds", "share", "loud")
    )
    word.fill("a <b>word</b>")
    rounds.fill("12")
    share.fill("half")
    loud.check()
    before = site.get("/api/jobs?definition=particular").json()["total"]
    tab.may_miss_network = True  # the browser says of the answer that it is a 422
    tab.follow(tab.page.get_by_role("button", name="Start"))
    tab.may_miss_network = False
    for field in (rounds, share):
        expect(field).to_have_attribute("aria-invalid", "true")
    assert "9" in mistake_of(tab, rounds) and "number" in mistake_of(tab, share)
    for field in (word, loud):
        assert field.get_attribute("aria-invalid") is None
    assert (word.input_value(), rounds.input_value(), share.input_value(), loud.is_checked()) == (
        "a <b>word</b>",
        "12",
        "half",
        True,
    )
    assert site.get("/api/jobs?definition=particular").json()["total"] == before
    rounds.fill("9")
    share.fill("0.25")
    tab.follow(tab.page.get_by_role("button", name="Start"))
    job_id = tab.find("[data-job-id]").get_attribute("data-job-id")
    assert site.get(f"/api/jobs/{job_id}").json()["params"] == {
        "word": "a <b>word</b>",
        "rounds": 9,
        "share": 0.25,
        "loud": True,
    }
    tab.wait_for_status("completed")
    tab.check_shown()


def mistake_of(tab, field):
    """Return the text that the field itself names as its description."""
    names = field.get_attribute("aria-describedby").split()
    return " ".join(
        tab.find(f"#{name}").inner_text() for name in names if name.startswith("mistake")
    )


def test_a_priority_is_typed_under_more_and_the_commands_follow(site, tabs):
    tab = tabs.new(site).open("/definitions/short")
    field = tab.page.get_by_label("priority")
    assert not field.is_visible()
    tab.page.get_by_text("More", exact=True).click()
    field.fill("-7")
    expect(tab.find("[data-part=cli]")).to_have_text(
        "flask jobs run short -p delay_ms=10 --priority -7 --wait"
    )
    expect(tab.find("[data-part=curl]")).to_contain_text('"priority": -7')
    tab.follow(tab.page.get_by_role("button", name="Start"))
    job_id = tab.find("[data-job-id]").get_attribute("data-job-id")
    assert site.get(f"/api/jobs/{job_id}").json()["priority"] == -7
