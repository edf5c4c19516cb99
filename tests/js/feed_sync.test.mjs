import assert from "node:assert/strict";
import { test } from "node:test";

import { FeedSync } from "../../static/js/sync/feed_sync.js";
import { FakeWorld, hint as anyHint, structure as anyStructure } from "./fakes.mjs";

const RUNNING = { id: "r", revision: 5, status: "running", steps: { build: "running" } };
const DONE = { id: "d", revision: 9, status: "completed", steps: { build: "completed" } };

const hint = (id, revision, others) => anyHint(revision, { job_id: id, ...others });
const structure = (id, revision, others) => anyStructure(revision, { job_id: id, ...others });

/** Begins with a list page; `pages` maps its HTML (any text) to the jobs that are then shown. */
function begin({ jobs = [RUNNING, DONE], statuses = [], pages = {} } = {}) {
  const world = new FakeWorld();
  const shown = { structures: [], states: [], deleted: [], pages: [], counts: [] };
  const sync = new FeedSync({
    jobs,
    url: "/?status=x",
    countsUrl: "/counts?status=x",
    etag: '"born"',
    statuses,
    onPage: (html, _, isAfterCounts) => {
      shown.pages.push(html);
      shown.isAfterCounts = isAfterCounts;
      return { jobs: pages[html] ?? jobs, isOlder: html.startsWith("older") };
    },
    onCounts: (body) => shown.counts.push(body),
    onStructure: (body) => shown.structures.push([body.job_id, body.revision]),
    onDeleted: (id) => shown.deleted.push(id),
    onConnection: (state) => shown.states.push(state),
  }, world.outside);
  sync.start();
  return { world, shown, sync };
}

async function connected(options) {
  const all = begin(options);
  await all.world.socket.hear("connect");
  await all.world.socket.ack({}, { ok: true });
  await all.world.request.answer(304);
  await all.world.socket.hear("job_update", hint("d", 9, { status: "completed" }));
  await all.world.clock.advance(500);
  return all;
}

const pagesAsked = (world) => world.requests.filter((request) => request.url === "/?status=x").length;

test("it subscribes to the feed and to the shown jobs that may still change, then looks at the page once", async () => {
  const { world } = begin();
  await world.socket.hear("connect");
  assert.deepEqual(world.socket.subscriptions().map(JSON.stringify).sort(), ['{"job_id":"r"}', "{}"]);
  await world.socket.ack({}, { ok: true });
  assert.deepEqual(world.requests.map(({ url, headers }) => [url, headers["If-None-Match"]]), [["/?status=x", '"born"']]);
});

test("a hint with a newer revision makes it look at that job alone, and then at the numbers if its status is new", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint("r", 6, { status: "failed" }));
  assert.deepEqual(world.inAir().map(({ url }) => url), ["/api/jobs/r/structure"]);
  await world.request.answer(200, structure("r", 6, { status: "failed" }));
  assert.deepEqual(world.inAir().map(({ url }) => url), ["/counts?status=x"]);
  assert.deepEqual(shown.structures, [["r", 6]]);
});

test("an older or equal hint costs nothing, and an older answer is dropped", async () => {
  const { world, shown } = await connected();
  const before = world.requests.length;
  await world.socket.hear("job_update", hint("r", 5));
  assert.equal(world.requests.length, before);
  await world.socket.hear("job_update", hint("r", 7));
  await world.request.answer(200, structure("r", 4));
  assert.deepEqual(shown.structures, []);
});

test("it looks at a job of which only counts have changed at most once a second, at a new status at once", async () => {
  const { world } = await connected();
  const asked = () => world.requests.filter((request) => request.url === "/api/jobs/r/structure").length;
  await world.socket.hear("job_update", hint("r", 6));
  await world.request.answer(200, structure("r", 6));
  for (let revision = 7; revision < 15; revision += 1) await world.socket.hear("job_update", hint("r", revision));
  assert.equal(asked(), 1);
  await world.socket.hear("job_update", hint("r", 15, { context: "job_step", step_name: "build", status: "completed" }));
  assert.equal(asked(), 2);
  await world.request.answer(200, structure("r", 15, { step: { status: "completed" } }));
  await world.socket.hear("job_update", hint("r", 16));
  assert.equal(asked(), 2);
  await world.clock.advance(1000);
  assert.equal(asked(), 3);
});

test("while a job's structure fails, new statuses don't shorten its pauses", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint("r", 6, { status: "failed" }));
  await world.request.fail();
  const asked = world.requests.length;
  for (const [revision, status] of [[7, "pending"], [8, "running"]]) await world.socket.hear("job_update", hint("r", revision, { status }));
  assert.equal(world.requests.length, asked, "the pause is kept");
  await world.clock.advance(1000);
  assert.equal(world.requests.length, asked + 1);
  await world.request.answer(200, structure("r", 8, { status: "running" }));
  await world.socket.hear("job_update", hint("r", 9, { status: "failed" }));
  assert.equal(world.requests.length, asked + 2, "at once again");
});

test("it leaves the room of a job that has ended, and joins that of one that is retried", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint("r", 6, { status: "completed" }));
  await world.inAir("structure")[0].answer(200, structure("r", 6, { status: "completed" }));
  assert.deepEqual(world.socket.sent.filter(({ event }) => event === "unsubscribe").map(({ payload }) => payload), [{ job_id: "r" }]);
  await world.socket.hear("job_update", hint("d", 10, { status: "pending" }));
  await world.inAir("structure")[0].answer(200, structure("d", 10, { status: "pending" }));
  assert.deepEqual(world.socket.subscriptions().at(-1), { job_id: "d" });
});

test("a hint of an unknown job makes it ask for the page, and follow what is new there", async () => {
  const fresh = { id: "n", revision: 1, status: "pending", steps: {} };
  const { world, shown } = await connected({ pages: { new: [fresh, RUNNING, DONE] } });
  await world.socket.hear("job_update", hint("n", 1, { status: "pending" }));
  assert.equal(world.request.url, "/?status=x");
  await world.request.answer(200, "new", '"new"');
  assert.deepEqual(shown.pages, ["new"]);
  assert.deepEqual(world.socket.subscriptions().at(-1), { job_id: "n" });
});

test("a job that was looked for and doesn't belong here isn't looked for again until its status changes", async () => {
  const { world } = await connected();
  for (let revision = 1; revision < 9; revision += 1) {
    await world.socket.hear("job_update", hint("far", revision));
    for (const request of world.inAir("/?")) await request.answer(200, "same");
    await world.clock.advance(600);
  }
  assert.equal(pagesAsked(world), 2);
  await world.socket.hear("job_update", hint("far", 9, { status: "failed" }));
  assert.equal(pagesAsked(world), 3);
});

test("a hint that comes while the page is in the air makes it ask for the page once more", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint("one", 1));
  await world.socket.hear("job_update", hint("two", 1));
  await world.socket.hear("job_update", hint("three", 1));
  assert.equal(pagesAsked(world), 2);
  await world.request.answer(200, "same");
  await world.clock.advance(1000);
  assert.equal(pagesAsked(world), 3);
});

test("with a filter it asks for the page once when a shown job leaves it, and only for jobs that may enter it", async () => {
  const { world } = await connected({ statuses: ["running"], jobs: [RUNNING] });
  await world.socket.hear("job_update", hint("x", 1, { status: "failed" }));
  assert.equal(pagesAsked(world), 1);
  assert.equal(world.inAir("/counts").length, 1);
  for (const revision of [6, 7, 8]) {
    await world.socket.hear("job_update", hint("r", revision, { status: "failed" }));
    await world.clock.advance(1000);
    await world.inAir("structure")[0].answer(200, structure("r", revision, { status: "failed" }));
    for (const request of world.inAir("/?")) await request.answer(200, "the row stays");
  }
  assert.equal(pagesAsked(world), 2);
});

test("it looks at the numbers at most once a second however many statuses change, and not when only counts of a job do", async () => {
  const { world, shown } = await connected({ statuses: ["completed"] });
  const asked = () => world.requests.filter((request) => request.url.startsWith("/counts")).length;
  await world.socket.hear("job_update", hint("r", 6));
  assert.equal(asked(), 0);
  for (const name of ["a", "b", "c"]) await world.socket.hear("job_update", hint(name, 1, { status: "failed" }));
  assert.equal(asked(), 1);
  await world.inAir("/counts")[0].answer(200, { change: 3 }, '"three"');
  await world.clock.advance(1000);
  assert.equal(asked(), 2);
  assert.equal(world.inAir("/counts")[0].headers["If-None-Match"], '"three"');
  await world.inAir("/counts")[0].answer(304);
  await world.clock.advance(5000);
  assert.equal(asked(), 2);
  await world.socket.hear("job_update", hint("a", 2, { status: "deleted" }));
  assert.equal(asked(), 3);
  assert.deepEqual(shown.counts, [{ change: 3 }]);
});

test("numbers that can't be had are asked for again", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint("r", 6, { status: "failed" }));
  await world.request.answer(200, structure("r", 6, { status: "failed" }));
  await world.inAir("/counts")[0].fail();
  await world.clock.advance(3000);
  assert.equal(world.inAir("/counts").length, 1);
});

test("when a message of the feed was lost, it looks at the list", async () => {
  const { world } = await connected();
  const heard = async (since, change, others) => {
    const before = pagesAsked(world);
    const about = { status: "completed", refresh_logs: true, change, since };
    await world.socket.hear("job_update", hint("d", 9, { ...about, ...others }));
    await world.clock.advance(500);
    if (world.inAir("/?status=x").length > 0) await world.request.answer(304);
    return pagesAsked(world) - before;
  };
  const rest = { refresh_logs: false };
  assert.equal(await heard(3, 7), 1, "what came before isn't known");
  assert.equal(await heard(7, 7, rest), 0, "a hint at rest");
  assert.equal(await heard(7, 8), 0, "the next");
  assert.equal(await heard(8, 8), 0, "one of the same change, as of a job that has grown");
  assert.equal(await heard(8, 40), 0, "the next by many changes that the feed isn't told of");
  assert.equal(await heard(41, 41, rest), 1, "the last was lost");
  assert.equal(await heard(41, 41, rest), 0, "that is known now");
  assert.equal(await heard(42, 43), 1, "one before was lost");
  assert.equal(await heard(43, 44, { job_id: "gone", status: "deleted", refresh_logs: false }), 0, "a deletion");
  assert.equal(await heard(46, 47, { job_id: "lost", status: "deleted", refresh_logs: false }), 1, "before a deletion");
  assert.equal(await heard(1, 1, rest), 1, "another database");
  assert.equal(await heard(undefined, undefined, rest), 0, "a message of a job's room says nothing of the feed");
  assert.equal(await heard(1, 2), 0, "nor changes what is known");
});

test("while it is hidden it knows what the feed has told, and looks at the list when it is seen again", async () => {
  const { world, sync } = await connected();
  await world.socket.hear("job_update", hint("d", 9, { status: "completed", change: 7, since: 7 }));
  await world.clock.advance(500);
  for (const request of world.inAir("/?status=x")) await request.answer(304);
  sync.rest(true);
  const before = pagesAsked(world);
  await world.socket.hear("job_update", hint("d", 9, { status: "completed", change: 9, since: 8 }));
  assert.equal(pagesAsked(world), before);
  sync.rest(false);
  for (const request of world.inAir("/?status=x")) await request.answer(304);
  await world.clock.advance(1000);
  assert.equal(pagesAsked(world), before + 1);
  await world.socket.hear("job_update", hint("d", 9, { status: "completed", change: 10, since: 9 }));
  await world.clock.advance(1000);
  assert.equal(pagesAsked(world), before + 1);
});

test("a deleted job leaves the list at once and is not asked for again", async () => {
  const { world, shown } = await connected({ pages: { less: [DONE] } });
  await world.socket.hear("job_update", hint("r", 6, { status: "deleted" }));
  assert.deepEqual(shown.deleted, ["r"]);
  await world.request.answer(200, "less");
  const before = world.requests.length;
  await world.socket.hear("job_update", hint("r", 7));
  await world.clock.advance(1000);
  assert.equal(world.requests.length, before);
});

test("a job whose structure is gone leaves the list", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint("r", 6));
  await world.request.answer(404, {});
  assert.deepEqual(shown.deleted, ["r"]);
});

test("an empty list asks every 2 s whether somebody is there, and is live while it is told so", async () => {
  const { world, shown } = begin({ jobs: [] });
  await world.socket.hear("connect");
  for (let second = 0; second < 20; second += 2) {
    await world.socket.ack({}, { ok: true });
    for (const request of world.inAir()) await request.answer(304);
    await world.clock.advance(2000);
  }
  assert.deepEqual(shown.states, ["live"]);
  await world.clock.advance(4000);
  assert.equal(shown.states.at(-1), "reconnecting");
});

test("without hints it asks for the page every 3 s and is polling while that answers", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4000);
  await world.inAir("/?")[0].answer(304);
  await world.clock.advance(1000);
  const before = pagesAsked(world);
  for (let poll = 0; poll < 5; poll += 1) {
    await world.clock.advance(3000);
    for (const request of world.inAir("/?")) await request.answer(304);
  }
  assert.ok(pagesAsked(world) - before >= 5);
  assert.equal(shown.states.at(-1), "polling");
});

test("a hidden list asks nothing, and for its page when it is seen again", async () => {
  const { world, sync } = await connected();
  sync.rest(true);
  const before = world.requests.length;
  for (let second = 0; second < 60; second += 1) {
    await world.socket.hear("job_update", hint(second % 2 ? "r" : `new${second}`, 100 + second));
    await world.clock.advance(1000);
  }
  assert.equal(world.requests.length, before);
  sync.rest(false);
  assert.equal(world.inAir("/?").length, 1);
});

test("a list that was hidden while it was cut off polls on when it is seen again", async () => {
  const { world, sync } = await connected();
  sync.rest(true);
  await world.clock.advance(6000);
  sync.rest(false);
  const before = pagesAsked(world);
  for (let second = 0; second < 6; second += 1) {
    for (const request of world.inAir()) await request.answer(304);
    await world.clock.advance(1000);
  }
  assert.equal(pagesAsked(world) - before, 2);
});

test("a list that is left closes everything", async () => {
  const { world, sync } = await connected();
  await world.socket.hear("job_update", hint("r", 6));
  sync.stop();
  assert.deepEqual([world.inAir().length, world.clock.waiting, world.socket.isClosed], [0, 0, true]);
});

test("a page of an earlier change is of another database: nothing that was known of its jobs counts any more", async () => {
  const before = [{ ...RUNNING, revision: 40 }];
  const { world } = await connected({ jobs: before, pages: { older: [{ ...RUNNING, revision: 3 }] } });
  await world.socket.hear("job_update", hint("gone", 41, { status: "deleted" }));
  await world.socket.hear("job_update", hint("new", 1));
  await world.clock.advance(500);
  await world.inAir("/?status=x")[0].answer(200, "older");
  await world.socket.hear("job_update", hint(RUNNING.id, 4));
  assert.equal(world.inAir(`${RUNNING.id}/structure`).length, 1);
});

test("an ack with an older revision than was shown by then is of another database, whose structure is shown", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint("r", 8));
  await world.request.answer(200, structure("r", 8));
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(1600);
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "r" }, { ok: true, job_id: "r", status: "running", revision: 7 });
  await world.clock.advance(1000);
  const [request] = world.inAir("/api/jobs/r/structure");
  assert.equal(request.headers["If-None-Match"], undefined);
  await request.answer(200, structure("r", 7));
  assert.deepEqual(shown.structures, [["r", 8], ["r", 7]]);
});

test("an ack that was asked for before a newer revision came proves nothing", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(1600);
  await world.socket.hear("connect");
  await world.socket.hear("job_update", hint("r", 8));
  await world.inAir("/api/jobs/r/structure")[0].answer(200, structure("r", 8));
  await world.clock.advance(1);
  await world.socket.ack({ job_id: "r" }, { ok: true, job_id: "r", status: "running", revision: 7 });
  await world.clock.advance(2000);
  assert.deepEqual(world.inAir("/api/jobs/r/structure"), []);
  assert.deepEqual(shown.structures, [["r", 8]]);
});

test("a page says whether it was asked for after the last numbers had come", async () => {
  const { world, shown } = await connected({ pages: { late: [RUNNING, DONE] } });
  await world.socket.hear("job_update", hint("r", 6, { status: "failed" }));
  await world.request.answer(200, structure("r", 6, { status: "failed" }));
  await world.socket.hear("job_update", hint("n", 1, { status: "pending" }));
  await world.clock.advance(1);
  await world.inAir("/counts?status=x")[0].answer(200, { change: 7, counts: {}, total: 2 });
  await world.inAir("/?status=x")[0].answer(200, "late");
  assert.equal(shown.isAfterCounts, false);
  await world.socket.hear("job_update", hint("m", 1, { status: "pending" }));
  await world.clock.advance(600);
  await world.inAir("/?status=x")[0].answer(200, "late");
  assert.equal(shown.isAfterCounts, true);
});
