// What happens in an hour, and what the test asks for: `look`.

const MINUTE = 60_000; // ms
const HOUR = 60 * MINUTE;
const QUIET = 30_000; // ms, in which a page comes to rest
const HEARTBEAT = 2000; // ms
const longTasks = []; // ms
let world = null;

document.addEventListener("readystatechange", () => {
  if (document.readyState !== "interactive") return; // all elements are there, and no module has run yet
  world = document.querySelector("[data-list]") ? new ListWorld() : new JobWorld();
});
new PerformanceObserver((seen) => longTasks.push(...seen.getEntries().map((task) => task.duration))).observe({ type: "longtask" });

/** What goes wrong in the course of an hour: `[minute, mishap]`, in order. */
const MISHAPS = [
  [5, () => cut(true)],
  [5.25, () => cut(false)],
  [10, () => setHidden(true)],
  [11, () => setHidden(false)],
  [35, () => cut(true)],
  [36, () => cut(false)],
  [45, () => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))],
  [46, () => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))],
  [50, () => dispatchEvent(new Event("online"))],
];

function setHidden(isHidden) {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}

/** Resolves when all that was changed has been painted. */
async function frame() {
  for (let count = 0; count < 2; count += 1) await new Promise(requestAnimationFrame);
  await turn();
}

async function beat(ms) {
  if (Math.floor(time.now / PING_EVERY) !== Math.floor((time.now + ms) / PING_EVERY)) ping();
  world.beat();
  await time.advance(ms);
}

const look = {
  /** Lets an hour of a busy system pass, and then half a minute of rest. */
  async anHour() {
    const planned = [...MISHAPS, ...world.deeds].sort(([one], [other]) => one - other);
    for (let passed = 0; passed < HOUR; passed += world.beatEvery) {
      while (planned.length > 0 && planned[0][0] * MINUTE <= passed) planned.shift()[1]();
      await beat(world.beatEvery);
    }
    await look.rest();
  },

  /** Lets nothing change for half a minute, with a frame before its end: what waits for one happens then. */
  async rest() {
    for (let passed = 0; passed < QUIET; passed += HEARTBEAT) {
      if (passed + HEARTBEAT >= QUIET) await frame();
      world.heartbeat();
      await time.advance(HEARTBEAT);
    }
  },

  /** Lets beats come at the viewer's own pace. Returns how long each long task took, in ms. */
  async atPace(seconds, perSecond) {
    longTasks.length = 0;
    for (let number = 0; number < seconds * perSecond; number += 1) {
      await new Promise((resolve) => real.setTimeout(resolve, 1000 / perSecond));
      await beat(1000 / perSecond);
    }
    return longTasks;
  },

  /** Returns what there has been by now. */
  account() {
    const { messages, connections, answers } = network;
    return { timers: time.pending, hours: time.now / HOUR, messages, connections, answers, difference: world.difference() };
  },
};
window.look = look;
