"""Messages that are lost or doubled, and sockets that are blocked while all else goes on."""

import pytest

from faults.healing import Healing
from faults.pages import let_pass, open_both, wait_for_states

pytestmark = pytest.mark.browser


def is_sockets(path, _):
    return path.startswith("/socket.io/")


def test_while_all_messages_are_lost_pages_are_right_by_asking(site, proxy, tabs, gates):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    proxy.lose_events()
    gates.go_on()
    Healing(site, "messages lost").check_right(*((tab, gates.job_id) for tab in pages))
    wait_for_states("polling", *pages, seconds=8)
    gates.go_further()
    newcomer = site.submit("endless")
    site.post(f"/api/jobs/{newcomer}/cancel")
    Healing(site, "while polling").check_right(
        (job, gates.job_id), (listing, gates.job_id), (listing, newcomer)
    )
    proxy.pass_events()
    Healing(site, "messages come again").check((job, gates.job_id), (listing, gates.job_id))
    for tab in pages:
        states = tab.check_all()
        assert states[-2:] == ["polling", "live"] and set(states) <= {
            "live",
            "polling",
            "reconnecting",
        }, states


def test_a_message_that_is_lost_is_made_good_by_the_next_hint(site, proxy, tabs, gates):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    # what is told of changes is lost, what is told at rest is not
    proxy.copy_events(lambda packet: '"refresh_logs":false' in packet)
    gates.go_on()
    Healing(site, "a message lost").check(*((tab, gates.job_id) for tab in pages))
    assert proxy.lost > 0
    for tab in pages:
        assert tab.check_all() == ["live"]


def test_messages_that_come_twice_or_five_times_cause_no_more_requests_than_once(
    site, proxy, tabs, gates
):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    plain = tabs.new(site).open_job(gates.job_id)
    proxy.copy_events(lambda packet: 5 if "job_step" in packet else 2)
    gates.go_on()
    Healing(site, "messages doubled").check(*((tab, gates.job_id) for tab in pages))
    gates.go_further()
    Healing(site, "messages doubled").check(*((tab, gates.job_id) for tab in (*pages, plain)))
    for tab in pages:
        assert tab.check_all() == ["live"]
    told = {hint["revision"] for hint in job.recorded("hints")}
    assert len(job.recorded("hints")) >= 2 * len(plain.recorded("hints")) - 5, "they were doubled"
    assert len(job.calls("structure")) <= len(told)


def test_where_websockets_break_and_are_refused_long_polling_takes_over(site, proxy, tabs, gates):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    proxy.refuse()
    gates.go_on()
    Healing(site, "websockets blocked").check(*((tab, gates.job_id) for tab in pages))
    heard = job.now()
    gates.go_further()
    Healing(site, "by long-polling").check(*((tab, gates.job_id) for tab in pages))
    assert any(hint["at"] > heard for hint in job.watched("hints")), "hints come by long-polling"
    proxy.accept()
    for tab in pages:
        tab.check_all()


def test_where_no_socket_of_either_kind_passes_pages_say_polling_and_are_live_again_afterwards(
    site, proxy, tabs, gates
):
    job, listing = pages = open_both(tabs, proxy, gates.job_id)
    proxy.refuse(is_sockets)
    gates.go_on()
    Healing(site, "sockets blocked").check_right(*((tab, gates.job_id) for tab in pages))
    wait_for_states("polling", *pages, seconds=8)
    let_pass(job, 1000)
    proxy.accept()
    Healing(site, "sockets pass again").check(*((tab, gates.job_id) for tab in pages))
    for tab in pages:
        tab.check_all()
