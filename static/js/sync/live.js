// The browser's side of a sync: what it gets from outside, and being woken, hidden and left.

import { io } from "../../vendor/socket.io.esm.min.js";

const LOOK = 2000; // ms between two looks at the wall clock
const SLEPT = 5000; // ms that it may jump ahead before the machine is thought to have slept

/**
 * Returns what JobSync and FeedSync need from the outside. serverClock: a ServerClock, if the page has one.
 * noteDate(header): takes the server's `Date`. connect(transports) opens a socket and returns it: on, off, emit,
 * disconnect as socket.io's client has them, not connecting again by itself: it tries the transports in order, and its
 * `connect_error` is of the last one. isOnline(): what the browser says.
 */
export function outside(serverClock = { note() {} }) {
  return {
    connect: (transports) =>
      io({ transports, tryAllTransports: true, forceNew: true, reconnection: false, timeout: false }),
    fetch: (url, options) => fetch(url, options),
    clock: {
      now: () => performance.now(),
      setTimeout: (action, ms) => setTimeout(action, ms),
      clearTimeout: (timer) => clearTimeout(timer),
    },
    random: Math.random,
    noteDate: (header) => serverClock.note(header),
    isOnline: () => navigator.onLine,
  };
}

/**
 * Runs a sync for as long as the page is there: stopped when it is left, started again when the browser brings it back.
 */
export function keepRunning(sync) {
  let seen = Date.now();
  setInterval(() => {
    const now = Date.now();
    if (now - seen > LOOK + SLEPT) sync.wake();
    seen = now;
  }, LOOK);
  document.addEventListener("visibilitychange", () => sync.rest(document.hidden));
  addEventListener("online", () => sync.wake());
  addEventListener("offline", () => sync.networkChanged());
  addEventListener("pagehide", () => sync.stop());
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    sync.start();
    sync.wake();
  });
  sync.rest(document.hidden);
  sync.start();
}
