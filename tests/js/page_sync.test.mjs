// A part of a page that is asked for again and again, as that of the workers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PageSync } from "../../static/js/sync/page_sync.js";
import { FakeWorld, hint } from "./fakes.mjs";

function begin() {
  const world = new FakeWorld();
  const shown = { html: [], states: [] };
  const handlers = { onHtml: (html) => shown.html.push(html), onConnection: (state) => shown.states.push(state) };
  const sync = new PageSync({ url: "/workers/now", etag: '"born"', ...handlers }, world.outside);
  sync.start();
  return { world, shown, sync };
}

async function connected() {
  const all = begin();
  await all.world.socket.hear("connect");
  await all.world.socket.ack({}, { ok: true });
  return all;
}

test("it subscribes to the feed, and looks as soon as it has, with what it knows", async () => {
  const { world, shown } = await connected();
  assert.deepEqual(world.socket.subscriptions(), [{}]);
  assert.deepEqual(world.requests.map(({ url, headers }) => [url, headers["If-None-Match"]]), [["/workers/now", '"born"']]);
  await world.request.answer(200, "newer", '"next"');
  assert.deepEqual(shown.html, ["newer"]);
  await world.clock.advance(2000);
  assert.equal(world.request.headers["If-None-Match"], '"next"');
  await world.request.answer(304);
  assert.deepEqual(shown.html, ["newer"], "what hasn't changed isn't shown again");
});

test("a message of the feed makes it look at once, many at most every half a second", async () => {
  const { world } = await connected();
  await world.request.answer(304);
  await world.clock.advance(500);
  const before = world.requests.length;
  await world.socket.hear("job_update", hint(1));
  assert.equal(world.requests.length, before + 1);
  for (let revision = 2; revision < 20; revision += 1) await world.socket.hear("job_update", hint(revision));
  await world.request.answer(304);
  assert.equal(world.requests.length, before + 1);
  await world.clock.advance(500);
  assert.equal(world.requests.length, before + 2, "one more, for what came meanwhile");
});

for (const { every, isHeard } of [{ every: 2000, isHeard: true }, { every: 3000, isHeard: false }]) {
  test(`it looks every ${every} ms where messages ${isHeard ? "come but tell nothing" : "fail to come"}`, async () => {
    const { world } = isHeard ? await connected() : begin();
    await world.clock.advance(5000);
    const before = world.requests.length;
    for (let passed = 0; passed < 30000; passed += 250) {
      await world.clock.advance(250);
      if (isHeard) await world.socket.ack({}, { ok: true }); // of the ping, of an empty store
      for (const request of world.inAir()) await request.answer(304);
    }
    const asked = world.requests.length - before;
    const wanted = 30000 / (0.95 * every);
    assert.ok(Math.abs(asked - wanted) <= 2, `${asked} instead of ${wanted}`);
  });
}

test("a store without a job gives no messages: an ack is as good, until the first one has come", async () => {
  const { world, shown } = await connected();
  assert.deepEqual(shown.states, ["live"]);
  for (let second = 0; second < 10; second += 1) {
    await world.clock.advance(1000);
    await world.socket.ack({}, { ok: true });
    for (const request of world.inAir()) await request.answer(304);
  }
  assert.deepEqual(shown.states, ["live"]);
  await world.socket.hear("job_update", hint(1));
  for (let second = 0; second < 6; second += 1) {
    await world.clock.advance(1000);
    for (const request of world.inAir()) await request.answer(304);
  }
  assert.deepEqual(shown.states, ["live", "polling"], "now an ack proves nothing");
});

test("hidden it asks for nothing, and when it is seen again at once", async () => {
  const { world, sync } = await connected();
  sync.rest(true);
  assert.deepEqual(world.inAir(), []);
  const before = world.requests.length;
  await world.socket.hear("job_update", hint(1));
  await world.clock.advance(10000);
  assert.equal(world.requests.length, before);
  sync.rest(false);
  assert.equal(world.requests.length, before + 1);
});

test("it says how long ago what is shown was the present, and that the server can't be reached", async () => {
  const { world, shown, sync } = await connected();
  assert.equal(sync.confirmedFor, Infinity);
  await world.request.answer(304);
  await world.clock.advance(1000);
  assert.equal(sync.confirmedFor, 1000);
  for (const request of world.inAir()) await request.fail();
  await world.socket.hear("disconnect");
  for (let second = 0; second < 40; second += 1) {
    await world.clock.advance(1000);
    for (const request of world.inAir()) await request.fail();
  }
  assert.deepEqual(shown.states, ["live", "reconnecting", "offline"]);
  assert.ok(sync.confirmedFor >= 40000);
});

test("stopped it leaves nothing behind, and starts again", async () => {
  const { world, sync } = await connected();
  sync.stop();
  assert.equal(world.clock.waiting, 0);
  assert.deepEqual(world.inAir(), []);
  sync.start();
  assert.equal(world.sockets.length, 2);
});
