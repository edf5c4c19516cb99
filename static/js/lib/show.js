// How values look on a page, and changing only what differs, so that focus, selection and scrolling stay where they
// are. The server shows the same values in the same way (jobsync/web/filters.py, templates/_macros.html).

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  const text = String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function setHidden(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

/** Returns the first element within `node` that is marked as that part. */
export function part(node, name) {
  return node.querySelector(`[data-part="${name}"]`);
}

/** Shows a text, or hides its element for none. */
export function showNote(node, text) {
  setText(node, text ?? "");
  setHidden(node, !text);
}

export function number(value) {
  return value.toLocaleString("en-US");
}

/** Shows a status by class, icon and word. `word` is the element for the word. */
export function showStatus(node, status, word = node.lastElementChild) {
  for (const name of [...node.classList]) {
    if (name.startsWith("is-") && name !== `is-${status}`) node.classList.remove(name);
  }
  node.classList.add(`is-${status}`);
  setAttribute(node.querySelector("use"), "href", `#i-${status}`);
  setText(word, status);
}

const two = (value) => String(value).padStart(2, "0");

/** Returns `13:00:00` of a Date, in the viewer's time zone. */
function clockOf(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Returns `2026-11-22 13:00:00` for an ISO time, in the viewer's time zone. */
export function moment(iso) {
  const date = new Date(iso);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockOf(date)}`;
}

/**
 * Returns `22 Nov, 13:00` for an ISO time, in the viewer's time zone, with the year if it isn't that in which the page
 * was made.
 */
function dayTime(iso) {
  const date = new Date(iso);
  const isThisYear = date.getFullYear() === new Date(Number(document.documentElement.dataset.now)).getFullYear();
  const month = date.toLocaleDateString("en-US", { month: "short" });
  const year = isThisYear ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${month}${year}, ${clockOf(date).slice(0, 5)}`;
}

/** Returns `13:00:00.123` for an ISO time, in the viewer's time zone. */
export function clock(iso) {
  const date = new Date(iso);
  return `${clockOf(date)}.${date.toISOString().slice(20, 23)}`;
}

/** Shows an ISO time, or null for none, in a <time>. */
export function showTime(node, iso) {
  if ((node.getAttribute("datetime") ?? null) === iso && node.title) return;
  if (iso === null) {
    node.removeAttribute("datetime");
    node.removeAttribute("title");
    setText(node, "");
    return;
  }
  node.dateTime = iso;
  node.title = iso;
  setText(
    node,
    (node.classList.contains("line-time") ? clock : node.classList.contains("day-time") ? dayTime : moment)(iso),
  );
}

/** Puts the viewer's time zone into all times within `node` as the server wrote them. */
export function localizeTimes(node) {
  for (const time of node.querySelectorAll("time[datetime]")) showTime(time, time.getAttribute("datetime"));
}

/** Returns how long it was between two ISO times; "" unless both are there. */
export function took(start, end) {
  return start && end ? lasting(Date.parse(end) - Date.parse(start)) : "";
}

/**
 * Returns a duration: `0.3 s`, `2 min 05 s`, `3 h 02 min`. A rough one is in whole seconds: what ticks would flicker
 * otherwise.
 */
export function lasting(ms, isRough = false) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return isRough ? `${seconds} s` : `${seconds}.${Math.floor((Math.max(0, ms) % 1000) / 100)} s`;
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** Returns how long something took, or has taken by `now` (ms) if it goes on; "" if it hasn't begun. */
export function elapsed({ started_at: start, finished_at: end }, now) {
  return end || !start ? took(start, end) : lasting(now - Date.parse(start), true);
}

const CONTROL_SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** Returns a log line's text without terminal escapes; other control characters become their pictures. */
export function plain(text) {
  return text
    .replace(CONTROL_SEQUENCE, "")
    .replace(CONTROL, (sign) => (sign === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + sign.charCodeAt(0))));
}

/** Makes an element like a newer one of the same form, changing only what differs. */
export function patch(node, newer) {
  for (const { name, value } of newer.attributes) setAttribute(node, name, value);
  for (const { name } of [...node.attributes]) if (!newer.hasAttribute(name)) node.removeAttribute(name);
  const [children, wanted] = [[...node.childNodes], [...newer.childNodes]];
  if (children.length !== wanted.length || children.some((child, place) => child.nodeName !== wanted[place].nodeName)) {
    node.replaceChildren(...wanted);
    return;
  }
  children.forEach((child, place) => {
    if (child.nodeType === 1) patch(child, wanted[place]);
    else setText(child, wanted[place].textContent);
  });
}
