import assert from "node:assert/strict";
import { test } from "node:test";

import { JobSync } from "../../static/js/sync/sync.js";
import { FakeWorld, hint, settle, structure } from "./fakes.mjs";

function begin({ revision = 5, finishedAt = null, random } = {}) {
  const world = new FakeWorld({ random });
  const shown = { structures: [], states: [], result: [], failures: [], deleted: [] };
  const sync = new JobSync({
    jobId: "j",
    served: structure(revision, finishedAt ? { status: "completed", finished_at: finishedAt } : {}),
    onStructure: (body) => shown.structures.push(body),
    onFragment: (name, html) => shown[name].push(html),
    onConnection: (state) => shown.states.push(state),
    onDeleted: (isReplaced) => shown.deleted.push(isReplaced),
  }, world.outside);
  sync.start();
  return { world, shown, sync };
}

async function connected(options) {
  const all = begin(options);
  await all.world.socket.hear("connect");
  await all.world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: options?.revision ?? 5 });
  await all.world.socket.hear("job_update", hint(options?.revision ?? 5));
  return all;
}

const revisions = (shown) => shown.structures.map((body) => body.revision);
const structures = (world) => world.requests.filter((request) => request.url.endsWith("/structure"));

test("it subscribes before it fetches, and fetches when the ack is newer than the page", async () => {
  const { world, shown } = begin();
  assert.equal(world.requests.length, 0);
  await world.socket.hear("connect");
  assert.deepEqual(world.socket.subscriptions(), [{ job_id: "j" }]);
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: 6 });
  assert.equal(world.request.url, "/api/jobs/j/structure");
  await world.request.answer(200, structure(6));
  assert.deepEqual(revisions(shown), [6]);
});

test("it fetches nothing when the ack and the hints are no newer than the page", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint(4));
  await world.socket.hear("job_update", hint(5));
  assert.equal(world.requests.length, 0);
});

test("it has one request in the air and one behind it, whatever comes", async () => {
  const { world, shown } = await connected();
  for (let revision = 6; revision <= 30; revision += 1) await world.socket.hear("job_update", hint(revision));
  assert.equal(structures(world).length, 1);
  await world.request.answer(200, structure(20));
  assert.equal(structures(world).length, 2);
  await world.request.answer(200, structure(30));
  assert.equal(structures(world).length, 2);
  assert.deepEqual(revisions(shown), [20, 30]);
});

test("it asks no second time when the answer is as new as the hints that came meanwhile", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint(6));
  await world.socket.hear("job_update", hint(8));
  await world.request.answer(200, structure(9));
  assert.equal(world.requests.length, 1);
});

test("it drops an answer that is older than what it shows, and asks again after a pause", async () => {
  const { world, shown } = await connected({ revision: 10 });
  await world.socket.hear("job_update", hint(12));
  await world.request.answer(200, structure(9));
  assert.deepEqual(revisions(shown), []);
  assert.equal(world.inAir().length, 0);
  await world.clock.advance(500);
  await world.request.answer(200, structure(12));
  assert.deepEqual(revisions(shown), [12]);
});

test("it gives up an answer after 4 s, and one that comes all the same is nobody's", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint(6));
  const [late] = world.requests;
  late.reject = () => {}; // a network that doesn't honour the abort
  await world.clock.advance(4000);
  assert.ok(late.isOver);
  await world.clock.advance(600);
  assert.equal(structures(world).length, 2);
  await world.request.answer(200, structure(7));
  await late.answer(200, structure(6));
  assert.deepEqual(revisions(shown), [7]);
});

test("it tries failed requests again for ever, in growing pauses of at most 3 s", async () => {
  const { world, shown } = await connected({ random: () => 1 });
  await world.socket.hear("job_update", hint(6));
  const pauses = [];
  for (let round = 0; round < 12; round += 1) {
    const [count, at] = [structures(world).length, world.clock.now()];
    await (round % 2 ? world.request.fail() : world.request.answer(500, {}));
    while (structures(world).length === count) {
      await world.clock.advance(50);
      await world.socket.hear("job_update", hint(6)); // which must not shorten the pause
    }
    pauses.push(world.clock.now() - at);
  }
  assert.deepEqual(pauses, [250, 500, 1000, 2000, ...Array(8).fill(3000)]);
  assert.equal(structures(world).length, 13);
  await world.request.answer(200, structure(6));
  assert.deepEqual(revisions(shown), [6]);
});

test("it sends the ETag of what it shows, and takes 304 for an answer", async () => {
  const { world, shown, sync } = await connected();
  await world.socket.hear("job_update", hint(6));
  assert.deepEqual(world.request.headers, {});
  await world.request.answer(200, structure(6), '"six"');
  sync.wake();
  assert.deepEqual(world.request.headers, { "If-None-Match": '"six"' });
  await world.request.answer(304);
  assert.deepEqual(revisions(shown), [6]);
  assert.equal(world.inAir().length, 0);
});

test("it ignores hints of other jobs and nonsense", async () => {
  const { world } = await connected();
  for (const bad of [hint(9, { job_id: "other" }), null, "x", hint("9"), hint(undefined), hint(9.5)]) await world.socket.hear("job_update", bad);
  assert.equal(world.requests.length, 0);
});

test("a job that is gone is told once and never asked for again", async () => {
  const { world, shown, sync } = await connected();
  await world.socket.hear("job_update", hint(9));
  await world.request.answer(404, { code: 404 });
  assert.deepEqual(shown.deleted, [false]);
  const requests = world.requests.length;
  sync.wake();
  sync.start();
  await world.clock.advance(60_000);
  assert.equal(world.requests.length, requests);
  assert.ok(world.sockets.every((socket) => socket.isClosed));
  assert.equal(world.clock.waiting, 0);
});

test("the hint that a job is deleted ends everything too, in the middle of a request", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint(6));
  await world.socket.hear("job_update", hint(7, { status: "deleted" }));
  await world.clock.advance(60_000);
  assert.deepEqual([shown.deleted.length, world.requests.length, world.inAir().length, world.clock.waiting], [1, 1, 0, 0]);
});

test("who is told that the job was deleted says so once and asks nothing", async () => {
  const { world, shown, sync } = await connected();
  sync.end();
  await world.socket.hear("job_update", hint(7, { status: "deleted" }));
  sync.end();
  assert.deepEqual([shown.deleted.length, world.requests.length, world.clock.waiting], [1, 0, 0]);
});

test("a refused subscription makes it look whether the job is there", async () => {
  const { world, shown } = begin();
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "j" }, { ok: false, error: "There is no job 'j'." });
  await world.request.answer(404, {});
  assert.deepEqual(shown.deleted, [false]);
});

// The connection's state

test("an ack that is older than what was shown when it was asked for is of a replaced database: the job is told gone", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint(9));
  await world.request.answer(200, structure(9));
  await world.socket.hear("disconnect");
  await world.clock.advance(3000);
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: 4 });
  assert.deepEqual(shown.deleted, [true]);
  assert.equal(world.inAir().length, 0);
});

test("an ack that was overtaken by an answer of structure proves nothing", async () => {
  const { world, shown, sync } = await connected();
  await world.clock.advance(100);
  sync.wake();
  await world.clock.advance(100);
  await world.inAir("structure")[0].answer(200, structure(9));
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: 8 });
  assert.deepEqual(shown.deleted, []);
});

test("it is live while hints come, whatever requests do", async () => {
  const { world, shown } = await connected();
  for (let second = 0; second < 30; second += 1) {
    await world.clock.advance(1900);
    await world.socket.hear("job_update", hint(5));
  }
  assert.deepEqual(shown.states, ["live"]);
  assert.equal(world.requests.length, 0);
});

test("an ack alone is no hint", async () => {
  const { world, shown } = begin();
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: 5 });
  assert.deepEqual(shown.states, []);
});

test("it asks by itself before 5 s without a hint are over, then every 3 s, and is polling while answers come", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4200);
  assert.equal(structures(world).length, 1);
  await world.request.answer(200, structure(6));
  assert.deepEqual(revisions(shown), [6]);
  await world.clock.advance(1000);
  assert.deepEqual(shown.states, ["live", "polling"]);
  const before = structures(world).length;
  for (let poll = 0; poll < 10; poll += 1) {
    await world.clock.advance(3000);
    for (const request of world.inAir("/structure")) await request.answer(304);
  }
  assert.equal(structures(world).length - before, 10);
  assert.equal(shown.states.at(-1), "polling");
});

test("it says reconnecting after 5 s without hint or answer, and offline after 30 s", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4799);
  assert.deepEqual(shown.states, ["live"]);
  await world.clock.advance(1);
  assert.deepEqual(shown.states, ["live", "reconnecting"]);
  await world.clock.advance(25_000);
  assert.deepEqual(shown.states, ["live", "reconnecting"]);
  await world.clock.advance(500);
  assert.deepEqual(shown.states, ["live", "reconnecting", "offline"]);
});

test("a closed connection that isn't open again within 1 s is no longer live, to the millisecond and whatever the last hint", async () => {
  for (const heardFor of [0, 130, 3000]) {
    const { world, shown } = await connected({ random: () => 0.1 });
    await world.clock.advance(heardFor);
    await world.socket.hear("disconnect", "transport close");
    const closedAt = world.clock.now();
    while (world.clock.now() < closedAt + 799) {
      assert.deepEqual(shown.states, ["live"]);
      for (const socket of world.sockets.filter(({ isClosed }) => !isClosed)) await socket.hear("connect_error", "refused");
      await world.clock.advance(1);
    }
    await world.clock.advance(1);
    assert.deepEqual(shown.states, ["live", "reconnecting"]);
  }
});

test("a closed connection that is open again within 1 s was live all the time", async () => {
  const { world, shown } = await connected({ random: () => 0.4 });
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(700);
  await world.socket.hear("connect");
  await world.clock.advance(1500);
  await world.socket.hear("job_update", hint(5));
  await world.clock.advance(4000);
  assert.deepEqual(shown.states, ["live"]);
});

test("a connection that is open again later is live again, on the word of a hint within the last 5 s", async () => {
  const { world, shown } = await connected({ random: () => 0.8 });
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(1300);
  assert.deepEqual(shown.states, ["live", "reconnecting"]);
  await world.socket.hear("connect");
  assert.deepEqual(shown.states, ["live", "reconnecting", "live"]);
  await world.clock.advance(3500);
  assert.deepEqual(shown.states, ["live", "reconnecting", "live", "reconnecting"]);
});

test("an answer that comes while the connection is known to be closed is polling, one from before it is not", async () => {
  const { world, shown } = await connected({ random: () => 0.9 });
  await world.socket.hear("job_update", hint(7));
  await world.socket.hear("disconnect", "transport close");
  await world.request.answer(200, structure(6));
  await world.clock.advance(1000);
  assert.deepEqual(shown.states, ["live", "reconnecting"]);
  await world.request.answer(200, structure(7));
  assert.deepEqual(shown.states, ["live", "reconnecting", "polling"]);
});

test("a page that is brought back isn't live before it is connected again, but for 1 s after it was left", async () => {
  const { world, shown, sync } = await connected();
  sync.stop();
  await world.clock.advance(2000);
  sync.start();
  await world.clock.advance(1);
  assert.deepEqual(shown.states, ["live", "reconnecting"]);
  await world.socket.hear("connect");
  assert.equal(shown.states.at(-1), "live");
});

test("a poll that stays unanswered ends polling within 5 s of the last answer", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4200);
  await world.request.answer(304);
  await world.clock.advance(1000);
  assert.equal(shown.states.at(-1), "polling");
  await world.clock.advance(4300);
  assert.equal(shown.states.at(-1), "reconnecting");
});

test("a page that was hidden while it was cut off polls on when it is seen again, as long as it is cut off", async () => {
  for (const hiddenAt of [0, 4500]) {
    const { world, sync } = await connected();
    await world.clock.advance(hiddenAt);
    for (const request of world.inAir()) await request.answer(304);
    sync.rest(true);
    await world.clock.advance(6000 - hiddenAt);
    sync.rest(false);
    const before = structures(world).length;
    for (let second = 0; second < 9; second += 1) {
      for (const request of world.inAir()) await request.answer(304);
      await world.clock.advance(1000);
    }
    assert.equal(structures(world).length - before, 3);
  }
});

test("it ceases to say live before 5 s have passed, though times have fractions", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(29860.000000000004);
  await world.socket.hear("job_update", hint(5));
  assert.equal(shown.states.at(-1), "live");
  await world.clock.advance(4801);
  assert.notEqual(shown.states.at(-1), "live");
});

test("it ceases to say polling before 5 s have passed since the last answer, to the millisecond", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4300);
  await world.request.answer(304);
  await world.clock.advance(4799);
  assert.equal(shown.states.at(-1), "polling");
  await world.clock.advance(1);
  assert.equal(shown.states.at(-1), "reconnecting");
});

test("it is live again with the next hint, and stops polling", async () => {
  const { world, shown } = await connected();
  await world.clock.advance(4200);
  await world.request.answer(304);
  await world.clock.advance(2000);
  await world.socket.hear("connect");
  await world.socket.hear("job_update", hint(5));
  assert.equal(shown.states.at(-1), "live");
  const before = world.requests.length;
  await world.clock.advance(3400);
  assert.equal(world.requests.length, before);
});

test("without a network by the browser's word it is offline at once, and looks as soon as there is one", async () => {
  const { world, shown, sync } = await connected();
  world.online = false;
  sync.networkChanged();
  assert.equal(shown.states.at(-1), "offline");
  world.online = true;
  sync.wake();
  assert.equal(structures(world).length, 1);
  await world.request.answer(200, structure(6));
  await world.socket.hear("job_update", hint(6));
  assert.equal(shown.states.at(-1), "live");
});

test("it is right within 5 s of the network's return though the last of many failed requests is never answered", async () => {
  const { world, shown } = await connected({ random: () => 0.999 });
  await world.socket.hear("job_update", hint(6));
  for (let failure = 0; failure < 5; failure += 1) {
    const { length } = world.requests;
    await world.request.fail();
    while (world.requests.length === length) await world.clock.advance(50);
  }
  const { length } = world.requests;
  await world.clock.advance(4500);
  assert.equal(world.requests.length, length + 1);
  await world.request.answer(200, structure(6));
  assert.deepEqual(revisions(shown), [6]);
});

// The socket

test("silence makes it open another socket, and the old one is closed and unheard", async () => {
  const { world, shown } = await connected();
  const [old] = world.sockets;
  await world.clock.advance(6000);
  assert.equal(world.sockets.length, 2);
  assert.ok(old.isClosed);
  await old.hear("job_update", hint(99));
  assert.equal(shown.states.at(-1), "reconnecting");
  await world.socket.hear("connect");
  assert.deepEqual(world.socket.subscriptions(), [{ job_id: "j" }]);
});

test("a lost connection is followed by others, in pauses of at most 3 s, for ever", async () => {
  const { world } = await connected({ random: () => 1 });
  const times = [];
  for (let round = 0; round < 12; round += 1) {
    await world.socket.hear(round === 0 ? "disconnect" : "connect_error", "transport close");
    const [count, at] = [world.sockets.length, world.clock.now()];
    while (world.sockets.length === count) await world.clock.advance(50);
    times.push(world.clock.now() - at);
    for (const request of world.inAir()) await request.fail();
  }
  assert.ok(times.every((pause) => pause <= 3050), String(times));
  assert.ok(times.at(-1) > 2000);
  assert.equal(world.sockets.filter((socket) => !socket.isClosed).length, 1);
});

test("many viewers that lose the server at once come back spread out", async () => {
  const pauses = [];
  for (let viewer = 0; viewer < 20; viewer += 1) {
    const { world } = await connected({ random: () => viewer / 20 });
    await world.socket.hear("disconnect", "transport close");
    const at = world.clock.now();
    while (world.sockets.length === 1) await world.clock.advance(10);
    pauses.push(world.clock.now() - at);
  }
  const inOneTenth = Math.max(...pauses.map((pause) => pauses.filter((other) => other >= pause && other < pause + 100).length));
  assert.ok(inOneTenth <= 3, String(pauses));
});

test("a connection that opened or hung and brought nothing is followed by one that tries the other transport first", async () => {
  const { world } = begin();
  assert.deepEqual(world.socket.transports, ["websocket", "polling"]);
  await world.socket.hear("connect");
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(1600);
  assert.deepEqual(world.socket.transports, ["polling", "websocket"]);
  await world.clock.advance(6000);
  assert.equal(world.sockets.length, 3);
  assert.deepEqual(world.socket.transports, ["websocket", "polling"]);
});

test("a refusal, which is of both transports, says nothing of either", async () => {
  const { world } = begin();
  for (let round = 0; round < 3; round += 1) {
    await world.socket.hear("connect_error", "refused");
    await world.clock.advance(3100);
    assert.deepEqual(world.socket.transports, ["websocket", "polling"]);
  }
  assert.ok(world.sockets.length >= 4);
});

test("a subscription without an ack is repeated", async () => {
  const { world } = begin();
  await world.socket.hear("connect");
  for (let second = 0; second < 5; second += 1) {
    await world.socket.hear("job_update", hint(5));
    await world.clock.advance(1000);
  }
  assert.equal(world.socket.subscriptions().length, 2);
});

test("after a reconnection the ack tells what was missed", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("disconnect", "transport close");
  await world.clock.advance(1600);
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "completed", revision: 50 });
  await world.request.answer(200, structure(50));
  assert.deepEqual(revisions(shown), [50]);
});

// Waking, resting, leaving

test("waking looks at once, even in the pause after failures", async () => {
  const { world, sync } = await connected();
  await world.socket.hear("job_update", hint(6));
  await world.request.fail();
  sync.wake();
  assert.equal(world.inAir("/structure").length, 1);
});

test("waking gives up a request that was sent before the sleep, and waits for one that was just sent", async () => {
  const { world, sync } = await connected();
  await world.socket.hear("job_update", hint(6));
  await world.clock.advance(2000);
  sync.wake();
  assert.equal(structures(world).length, 2);
  assert.equal(world.inAir().length, 1);
  sync.wake();
  sync.wake();
  assert.equal(structures(world).length, 2);
  await world.request.answer(200, structure(6));
  assert.equal(structures(world).length, 3);
});

test("a hidden page stays subscribed but asks and shows nothing, and looks when it is seen again", async () => {
  const { world, shown, sync } = await connected();
  await world.socket.hear("job_update", hint(6));
  sync.rest(true);
  assert.equal(world.inAir().length, 0);
  for (let revision = 7; revision < 20; revision += 1) {
    await world.clock.advance(1000);
    await world.socket.hear("job_update", hint(revision));
  }
  assert.deepEqual([world.requests.length, shown.structures.length, world.sockets.length], [1, 0, 1]);
  sync.rest(false);
  await world.request.answer(200, structure(19));
  assert.deepEqual(revisions(shown), [19]);
});

test("a page that is left closes everything, and begins again when it is brought back", async () => {
  const { world, shown, sync } = await connected();
  await world.socket.hear("job_update", hint(6));
  sync.stop();
  assert.deepEqual([world.inAir().length, world.clock.waiting, world.socket.isClosed], [0, 0, true]);
  sync.start();
  await world.socket.hear("connect");
  await world.socket.ack({ job_id: "j" }, { ok: true, job_id: "j", status: "running", revision: 8 });
  await world.request.answer(200, structure(8));
  assert.deepEqual(revisions(shown), [8]);
});

// Log lines

const lines = (first, last) => Array.from({ length: last - first + 1 }, (_, place) => ({ line: first + place, level: "info", message: "" }));
const page = (first, last, logCount = last) => ({ items: lines(first, last), total: logCount, log_count: logCount });
const logs = (world) => world.requests.filter((request) => request.url.includes("/logs"));

async function following({ last = 0, known = 0 } = {}) {
  const all = await connected();
  const got = [];
  all.sync.follow("build", { last, known, onLines: (items) => got.push([items[0].line, items.at(-1).line]) });
  return { ...all, got };
}

test("it fetches no lines of a step that nobody follows", async () => {
  const { world } = await connected();
  await world.socket.hear("job_update", hint(6, { context: "job_step", step_name: "build", refresh_logs: true }));
  await world.request.answer(200, structure(6, { step: { log_count: 100 } }));
  assert.equal(logs(world).length, 0);
});

test("it fetches what follows the last line that is shown", async () => {
  const { world, got } = await following({ last: 100, known: 100 });
  assert.equal(logs(world).length, 0);
  await world.socket.hear("job_update", hint(5, { context: "job_step", step_name: "build", refresh_logs: true }));
  assert.equal(world.request.url, "/api/jobs/j/logs?step=build&after=100&limit=1000");
  await world.request.answer(200, page(101, 130));
  assert.deepEqual(got, [[101, 130]]);
});

test("it fetches what structure has counted even if no hint named the step", async () => {
  const { world } = await following({ last: 100, known: 100 });
  await world.socket.hear("job_update", hint(6));
  await world.request.answer(200, structure(6, { step: { log_count: 103 } }));
  assert.equal(world.request.url, "/api/jobs/j/logs?step=build&after=100&limit=1000");
});

test("it begins with the latest 500 lines, and jumps to them when it is further behind", async () => {
  const { world, got } = await following({ last: 0, known: 4000 });
  assert.equal(world.request.url, "/api/jobs/j/logs?step=build&limit=500");
  await world.request.answer(200, page(3501, 4000));
  await world.clock.advance(1000);
  await world.socket.hear("job_update", hint(6));
  await world.inAir("/structure")[0].answer(200, structure(6, { step: { log_count: 9000 } }));
  assert.equal(world.request.url, "/api/jobs/j/logs?step=build&limit=500");
  await world.request.answer(200, page(8501, 9000));
  assert.deepEqual(got, [[3501, 4000], [8501, 9000]]);
});

test("it hands on no line twice when answers overlap", async () => {
  const { world, got } = await following({ last: 90, known: 700 });
  await world.request.answer(200, page(1, 100));
  assert.deepEqual(got, [[91, 100]]);
});

test("it asks for a step's lines at most once a second, one request at a time, and misses none in the end", async () => {
  const { world, got } = await following({ last: 0, known: 1 });
  let stored = 1;
  for (let moment = 0; moment < 100; moment += 1) {
    stored += 7;
    await world.socket.hear("job_update", hint(5, { context: "job_step", step_name: "build", refresh_logs: true }));
    await world.clock.advance(50);
    assert.ok(world.inAir("/logs").length <= 1);
    for (const request of world.inAir("/logs")) {
      const after = Number(new URL(request.url, "http://x").searchParams.get("after") ?? 0);
      await request.answer(200, page(after + 1, stored));
    }
  }
  await world.clock.advance(1000);
  for (const request of world.inAir("/logs")) await request.answer(200, page(got.at(-1)[1] + 1, stored));
  const times = logs(world).map((request) => request.at);
  assert.ok(times.every((at, place) => place === 0 || at - times[place - 1] >= 1000), String(times));
  assert.deepEqual(got.map(([first]) => first), [1, ...got.slice(0, -1).map(([, last]) => last + 1)]);
  assert.equal(got.at(-1)[1], stored);
});

test("a step that nobody follows any more is asked for no more", async () => {
  const { world, sync } = await following({ last: 0, known: 10 });
  sync.unfollow("build");
  assert.equal(world.inAir().length, 0);
  await world.socket.hear("job_update", hint(5, { context: "job_step", step_name: "build", refresh_logs: true }));
  await world.clock.advance(5000);
  assert.equal(logs(world).length, 1);
});

test("a failed request for lines is tried again", async () => {
  const { world, got } = await following({ last: 0, known: 10 });
  await world.request.fail();
  await world.clock.advance(1000);
  await world.inAir("/logs")[0].answer(200, page(1, 10));
  assert.deepEqual(got, [[1, 10]]);
});

test("lines that were missed while hidden are fetched when the page is seen again", async () => {
  const { world, got, sync } = await following({ last: 0, known: 10 });
  sync.rest(true);
  assert.equal(world.inAir("/logs").length, 0);
  sync.rest(false);
  await settle();
  await world.clock.advance(1000);
  await world.inAir("/logs")[0].answer(200, page(1, 10));
  assert.deepEqual(got, [[1, 10]]);
});

// The result

const END = "2026-11-22T13:05:00.000Z";

test("the result comes when the job ends, goes when it is retried, and comes anew", async () => {
  const { world, shown } = await connected();
  await world.socket.hear("job_update", hint(6));
  await world.request.answer(200, structure(6, { status: "completed", finished_at: END }));
  assert.equal(world.request.url, "/jobs/j/result");
  await world.request.fail();
  await world.clock.advance(300);
  await world.request.answer(200, "<p>first</p>");
  await world.socket.hear("job_update", hint(7));
  await world.request.answer(200, structure(7, { status: "pending" }));
  await world.socket.hear("job_update", hint(8));
  await world.request.answer(200, structure(8, { status: "completed", finished_at: "2026-11-22T14:00:00.000Z" }));
  await world.request.answer(200, "<p>second</p>");
  assert.deepEqual(shown.result, ["<p>first</p>", "", "<p>second</p>"]);
});

test("a result that the page was served with isn't asked for", async () => {
  const { world } = await connected({ finishedAt: END });
  await world.socket.hear("job_update", hint(6));
  await world.request.answer(200, structure(6, { status: "completed", finished_at: END }));
  assert.equal(world.requests.length, 1);
});

// What failed

const failing = (failed, others = {}) => ({ step: { children: { failed }, started_at: "2026-11-22T13:00:00.000Z" }, ...others });
const failuresAsked = (world) => world.requests.filter((request) => request.url === "/jobs/j/failures");

async function tell(world, body) {
  await world.socket.hear("job_update", hint(body.revision));
  await world.inAir("/structure")[0].answer(200, body);
}

test("what failed is fetched when it changes, at most once a second, and goes when nothing has failed any more", async () => {
  const { world, shown } = await connected();
  await tell(world, structure(6, failing(1)));
  await tell(world, structure(7, failing(1, { updated_at: "2026-11-22T13:00:09.000Z" })));
  assert.equal(failuresAsked(world).length, 1);
  await world.inAir("/failures")[0].answer(200, "one");
  for (let failed = 2; failed < 10; failed += 1) {
    await tell(world, structure(6 + failed, failing(failed)));
    await world.clock.advance(50);
  }
  assert.equal(failuresAsked(world).length, 1);
  await world.clock.advance(1000);
  assert.equal(failuresAsked(world).length, 2);
  await world.inAir("/failures")[0].answer(200, "nine");
  await tell(world, structure(20, { status: "pending", step: { children: { failed: 0 } } }));
  await world.clock.advance(3000);
  assert.deepEqual([shown.failures, failuresAsked(world).length], [["one", "nine", ""], 2]);
});

test("what failed is shown even while more fails all the time", async () => {
  const { world, shown } = await connected();
  for (let failed = 1; failed < 5; failed += 1) await tell(world, structure(5 + failed, failing(failed)));
  await world.inAir("/failures")[0].answer(200, "early");
  assert.deepEqual(shown.failures, ["early"]);
  await world.clock.advance(1000);
  await world.inAir("/failures")[0].answer(200, "late");
  assert.deepEqual(shown.failures, ["early", "late"]);
});

test("an answer that comes when nothing has failed any more is nobody's", async () => {
  const { world, shown } = await connected();
  await tell(world, structure(6, failing(1)));
  const [late] = world.inAir("/failures");
  await tell(world, structure(7, { status: "pending" }));
  await late.answer(200, "late");
  assert.deepEqual(shown.failures, [""]);
});

test("a step that fails again after a retry that the page didn't see is fetched anew", async () => {
  const { world } = await connected();
  await tell(world, structure(6, failing(1)));
  await world.inAir("/failures")[0].answer(200, "first");
  await world.clock.advance(1000);
  await tell(world, structure(9, { step: { children: { failed: 1 }, started_at: "2026-11-22T14:00:00.000Z" } }));
  assert.equal(failuresAsked(world).length, 2);
});

test("a page that rests looks at the end of a job that the viewer waits for, and at nothing else", async () => {
  const { world, shown, sync } = await connected();
  sync.rest(true);
  await world.socket.hear("job_update", hint(6, { status: "completed" }));
  assert.equal(world.requests.length, 0);
  sync.awaitEnd();
  await world.socket.hear("job_update", hint(7));
  assert.equal(world.requests.length, 0);
  await world.socket.hear("job_update", hint(8, { status: "completed" }));
  await world.inAir("/structure")[0].answer(200, structure(8, { status: "completed", finished_at: END }));
  assert.deepEqual([revisions(shown), world.inAir().length], [[8], 0]);
  sync.rest(false);
  assert.ok(world.inAir("/result").length === 1);
});
