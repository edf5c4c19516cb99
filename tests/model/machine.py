"""The machine: what can happen, in any order, and what must hold all the same."""

import sys
from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from jobsync.lifecycle import moves
from jobsync.status import TERMINAL
from model.network import TROUBLES, Clock, Network
from model.page import FRAGMENTS, Page, shape
from model.server import Server
from model.truth import Truth
from model.workers import ACTIONS, DEFINITIONS, clear

MOST_PAGES = 3
FATES = 16  # yeses and noes that are drawn for what no rule decides
PROMISE = 5000  # ms within which a page that can reach the server shows the truth
AT_ONCE = 100  # ms for a status when nothing is lost
COUNTED = 1200  # ms for counts and lines
RECONNECTED = 12_000  # ms more until hints come again over a connection whose loss nobody noticed
RECENT = 1000  # ms: a request sent longer ago isn't waited for by a page that is woken

places = st.integers(0, 5)  # in a list, wrapped around
# a job's life goes on, most of the time
actions = st.sampled_from(ACTIONS + ("go_on",) * 24 + ("fail", "retry", "resume"))
# None: killed
moves_of_others = st.none() | st.sampled_from(
    ("cancel", "retry", "delete", "go_on", "cancel_step", "retry_child")
)
plans = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 12), moves_of_others))
pauses = st.sampled_from((0, 20, 20, 20, 300, 300, 1200, 1200, 2500, 6000))  # ms
lives = st.lists(st.tuples(actions, plans, pauses), min_size=1, max_size=3)
mostly = st.sampled_from((True, True, True, False))
ways = [
    (kind, what, number)
    for kind, found in TROUBLES.items()
    for what, ways in found.items()
    for number in range(ways)
]
troubles = st.builds(
    lambda way, times: (*way, times), st.sampled_from(ways), st.sampled_from((1, 1, 2, 6))
)
chances = st.sampled_from((0, 1, 2, 3, 4))  # see `chance` in driver.mjs

booleans = st.booleans()
VISITS = (
    "hide_or_show",
    "hide_or_show",
    "wake",
    "leave_or_come_back",
    "sleep_or_wake",
    "lose_or_find_network",
)


def disturbance(name, **given):
    """Return a strategy for the name of a method of the machine and what it is given."""
    return st.tuples(st.just(name), st.fixed_dictionaries(given))


disturbances = st.one_of(
    disturbance("flow", is_flowing=mostly),
    disturbance("cut", place=places, page_notices=booleans, server_notices=booleans),
    disturbance("restart", is_back=mostly),
    disturbance("open_page", chance=chances, honours_abort=booleans, plan=plans),
    disturbance("visit", place=places, what=st.sampled_from(VISITS)),
    disturbance("toggle", place=places, step=st.sampled_from(("a", "b"))),
)


class Model(RuleBasedStateMachine):
    """`shared` (set by the test) has what all runs share: app, node, workers."""

    shared = None
    runs = steps = 0

    @initialize(
        definition=st.integers(0, len(DEFINITIONS) - 1),
        fates=st.integers(0, (1 << FATES) - 1),
        chance=chances,
        honours_abort=st.booleans(),
    )
    def begin(self, definition, fates, chance, honours_abort):
        type(self).runs += 1
        self.shared.node.do(["reset"])
        clear(self.shared.app)
        self.fates = fates
        self.workers = self.shared.workers
        self.clock = self.shared.clock = Clock()
        self.truth = Truth(self.workers.submit(definition))
        self.server = Server(self.shared.app, self.clock, self.truth)
        with self.shared.app.app_context():
            self.truth.note()
        self.stack.enter_context(self.server.watched())
        self.network = Network(self.shared.node, self.clock, self.server, self.others)
        self.open_page(chance, honours_abort, None)
        self.done()

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.server = None

    def fate(self):
        """Return the next of the yeses and noes that were drawn at the beginning."""
        self.fates = (self.fates >> 1) | ((self.fates & 1) << (FATES - 1))
        return bool(self.fates & 1)

    def others(self):
        """Do what others do all of a sudden."""
        self.workers.do(
            ("delete" if self.fate() else "cancel")
            if self.fate()
            else "retry"
            if self.fate()
            else "go_on"
        )

    def done(self):
        """End each rule: what arrives by itself arrives, and all invariants hold."""
        type(self).steps += 1
        self.network.lose_server(self.fate())
        self.network.settle()
        self.network.check()

    def planned(self, plan):
        """Return a plan for Server of a drawn one."""
        if plan is None:
            return None
        points, action = plan
        return points, action and (lambda: self.workers.do(action))

    # People, workers, the monitor

    @rule(troubles=st.lists(troubles, max_size=4), some=lives, is_ticking=mostly)
    def live(self, troubles, some, is_ticking):
        """Let things happen, with what comes next meeting with troubles, and the monitor
        perhaps being stuck or killed.
        """
        for kind, what, number, times in troubles:
            self.network.troubles.setdefault(kind, []).extend([(what, number)] * times)
        for action, plan, ms in some:
            self.workers.do(action)
            if plan and self.server.is_up:
                self.server.tick(self.planned(plan))
                self.network.collect()
                self.network.lose_server(self.fate())
            self.network.pass_time(ms, is_ticking=is_ticking)
        self.done()

    @rule(disturbance=disturbances, some=lives)
    def disturb(self, disturbance, some):
        """Do one of those methods below that change how things are, and live with it."""
        name, given = disturbance
        getattr(self, name)(**given)
        self.done()
        self.live([], some, True)

    @rule(ms=pauses)
    def recover(self, ms):
        """Have most of what is wrong be right again."""
        self.server.start()
        self.network.troubles.clear()
        for page in self.pages:
            if page.is_asleep:
                self.sleep_or_wake(page)
            if not page.is_online:
                self.lose_or_find_network(page)
            if page.is_resting:
                self.hide_or_show(page)
        self.network.is_flowing = True
        self.network.settle()
        self.network.pass_time(ms)
        self.done()

    # The network

    def flow(self, is_flowing):
        """Have things arrive by themselves from now on, or not."""
        self.network.is_flowing = is_flowing

    def thing(self, place):
        """Return something under way, None for nothing.

        What belongs to a machine that sleeps stays as it is.
        """
        things = [thing for thing in self.network.under_way if not thing.page.is_asleep]
        return things[place % len(things)] if things else None

    @rule(places=st.lists(places, min_size=1, max_size=4), plan=plans)
    @precondition(lambda self: self.network.under_way)
    def deliver(self, places, plan):
        """Deliver what is under way in any order."""
        for place in places:
            if thing := self.thing(place):
                self.network.deliver(thing, self.planned(plan))
        self.done()

    def cut(self, place, page_notices, server_notices):
        """Cut a connection."""
        sockets = self.network.open_sockets()
        if sockets:
            socket = sockets[place % len(sockets)]
            self.network.cut(socket, page_notices and not socket.page.is_asleep, server_notices)

    # The server

    def restart(self, is_back):
        """Kill the server, and perhaps start it again; when it is down, perhaps start it."""
        self.server.kill()
        if is_back:
            self.server.start()

    # Pages

    def open_page(self, chance, honours_abort, plan):
        """Open a tab, or reload the oldest one where there are enough."""
        answer = (
            self.server.get(f"/jobs/{self.truth.job_id}", plan=self.planned(plan))
            if self.server.is_up
            else None
        )
        if answer and answer[0] == 200:
            if len(self.pages) == MOST_PAGES:
                self.leave(self.pages[0])
            page = Page(len(self.network.pages), answer[2], self.truth)
            self.network.add(page, page.options(chance, honours_abort))

    def leave(self, page):
        page.is_active, page.is_left = False, True
        if not page.is_gone:
            self.network.call(page, "stop")
        self.network.under_way = [
            thing
            for thing in self.network.under_way
            if thing.page is not page or thing.kind == "bye"
        ]

    @property
    def pages(self):
        return [page for page in self.network.pages if not page.is_left]

    def visit(self, place, what):
        """Do with a page what browsers and their owners do."""
        page = self.pages[place % len(self.pages)] if self.pages else None
        if page and (not page.is_asleep or what == "sleep_or_wake"):
            getattr(self, what)(page)

    def hide_or_show(self, page):
        page.is_resting = not page.is_resting
        self.network.call(page, "rest", page.is_resting)
        self.assert_it_looks(page)

    def wake(self, page):
        self.network.call(page, "wake")
        self.assert_it_looks(page)

    def assert_it_looks(self, page):
        assert page.structure_requests or not page.may_ask, "it was woken and doesn't look"
        assert all(
            page.now - page.sent_at[number] < RECENT for number in page.structure_requests
        ), "it waits for an answer of before its sleep"

    def leave_or_come_back(self, page):
        """Leave a page or come back to it with the browser's back button."""
        if page.is_gone:
            return
        page.is_active = not page.is_active
        if page.is_active:
            page.silent_since = page.now
            self.network.call(page, "start")
            self.wake(page)
        else:
            self.network.call(page, "stop")

    def sleep_or_wake(self, page):
        page.is_asleep = not page.is_asleep
        if not page.is_asleep:
            self.wake(page)

    def lose_or_find_network(self, page):
        """Change what the browser says of its network, and what is so."""
        page.is_online = not page.is_online
        self.network.do(page, "online", page.is_online)
        self.network.call(page, "wake" if page.is_online else "networkChanged")

    def toggle(self, place, step):
        """Open or close a step."""
        page = self.pages[place % len(self.pages)] if self.pages else None
        if page is None:
            return
        if step in page.lines:
            del page.lines[step]
            self.network.do(page, "collapse", step)
        else:
            page.lines[step] = []
            self.network.do(page, "expand", step)

    # The end

    def teardown(self):
        try:
            if self.server and sys.exc_info()[0] is None:
                self.calm_down()
                self.assert_all_is_right()
                self.assert_news_comes_at_once()
        finally:
            self.stack.close()

    def calm_down(self):
        """Let the faults end: what is under way arrives, fails or is lost, and from now on the
        network does what it should.
        """
        if self.fate():
            self.workers.do("delete")
        self.server.start()
        self.network.troubles.clear()
        for page in self.pages:
            if page.is_asleep:
                self.sleep_or_wake(page)
            if not page.is_online:
                self.lose_or_find_network(page)
        for thing in list(self.network.under_way):
            if self.fate():
                (self.network.fail if self.fate() else self.network.lose)(thing)
            else:
                self.network.deliver(thing)
        self.network.is_flowing = True
        self.network.settle()
        self.network.pass_time(PROMISE, step=100)

    @property
    def viewed(self):
        """The pages that somebody looks at."""
        return [page for page in self.network.pages if page.is_active and not page.is_resting]

    def assert_all_is_right(self):
        """Assert that each page that is looked at shows the store, and says truly that it is
        connected; and that the monitor has done its work.
        """
        with self.shared.app.app_context():
            assert not moves.advance(self.truth.job_id), "the monitor has left something undone"
        for page in self.viewed:
            self.assert_right(page)
        if self.truth.is_deleted:
            return
        waited = 0
        while waited < RECONNECTED and any(page.state != "live" for page in self.viewed):
            assert all(page.state in ("live", "polling") for page in self.viewed), [
                page.state for page in self.viewed
            ]
            waited += 500
            self.network.pass_time(500)
        assert all(page.state == "live" for page in self.viewed), [
            page.state for page in self.viewed
        ]

    def assert_right(self, page):
        assert page.is_gone == self.truth.is_deleted, "it doesn't show that the job was deleted"
        if page.is_gone:
            return
        assert page.revision == self.truth.revision, (
            f"it shows revision {page.revision} of {self.truth.revision}"
        )
        self.assert_lines_right(page)
        for name in FRAGMENTS:
            assert page.fragments[name] == self.rendered(name), f"it shows other {name}"

    def rendered(self, name):
        """Return a fragment as the server has it now. There is no result before the end."""
        if name == "result" and self.truth.now["status"] not in TERMINAL:
            return ""
        return shape(self.server.get(f"/jobs/{self.truth.job_id}/{name}")[2])

    def assert_lines_right(self, page):
        for name, shown in page.lines.items():
            url = f"/api/jobs/{self.truth.job_id}/logs?step={name}&after=0&limit=5000"
            lines = self.shared.app.test_client().get(url).json["items"]
            assert shown == [[line["line"], line["message"]] for line in lines], (
                f"the lines of {name}"
            )

    def assert_news_comes_at_once(self):
        """Assert that with nothing lost a status comes within 100 ms, counts and lines within
        1.2 s.
        """
        self.shared.workers.do("claim")
        self.shared.workers.do("log")
        self.network.pass_time(COUNTED, step=100)
        for page in self.viewed:
            self.assert_right(page)
        for action in (
            ("delete", "cancel", "retry") if self.fate() else ("cancel", "retry", "delete")
        ):
            before = self.truth.revision, self.truth.is_deleted
            self.workers.do(action)
            if before != (self.truth.revision, self.truth.is_deleted):
                break
        self.network.pass_time(AT_ONCE, step=10)
        for page in self.viewed:
            is_right = (
                page.is_gone if self.truth.is_deleted else page.revision == self.truth.revision
            )
            assert is_right, "news didn't come at once"
