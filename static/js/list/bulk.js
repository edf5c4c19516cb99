// Has the API do something to many jobs: counts first what would be done and what would be refused, asks, and does it
// bit by bit, so that one sees how far it is and can stop it. Loaded only when somebody presses such a button.

import { number, part, setHidden, setText } from "../lib/show.js";

const COUNTED = 2000; // jobs that are looked at by one call
const DONE_AT_ONCE = 50; // jobs that something is done to by one call
const MOST_NAMED = 5; // jobs that were refused for the same reason, with links

const amount = (count) => `${number(count)} ${count === 1 ? "job" : "jobs"}`;

export class Bulk {
  #dialog;
  #words;
  #isStopped = false; // what is under way
  #onLeave = () => {};
  #onGo = () => {};

  /** dialog: as served; words: `{ action: { verb, done, about } }`. */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#words = JSON.parse(dialog.dataset.words);
    part(dialog, "leave").addEventListener("click", () => this.#onLeave());
    part(dialog, "go").addEventListener("click", () => this.#onGo());
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // Escape is the button that leaves, or the one that stops
      this.#onLeave();
    });
  }

  /**
   * ids: of the jobs; query: instead, what all that match are asked for by. Resolves to what was done, in words, "" for
   * nothing. Rejects with a message for people where nothing could be.
   */
  async run(action, { ids, query }) {
    const words = this.#words[action];
    try {
      this.#begin(words);
      const found = query === undefined ? { ids, is_cut: false } : await read(`/ids${query}`);
      const counted = await this.#count(action, found.ids);
      if (this.#isStopped || !(await this.#isMeant(action, words, found, counted))) return "";
      return await this.#do(action, words, allowed(found.ids, counted.refused));
    } finally {
      this.#dialog.close();
    }
  }

  #begin({ verb }) {
    this.#isStopped = false;
    this.#show({ title: `${verb}: counting…`, leave: "Stop" });
    this.#onLeave = () => (this.#isStopped = true);
    this.#dialog.showModal();
  }

  /** Shows what the dialog says now; what isn't named is not there. */
  #show({ title, about = "", note = "", refused = [], progress, leave, go = "", isGrave = false }) {
    const of = (name) => part(this.#dialog, name);
    setText(of("title"), title);
    for (const [name, text] of Object.entries({ about, note })) {
      setText(of(name), text);
      setHidden(of(name), text === "");
    }
    of("refused").replaceChildren(...byReason(refused).map(([reason, ids]) => refusal(reason, ids)));
    setHidden(of("progress"), progress === undefined);
    if (progress) Object.assign(of("progress"), progress);
    setText(of("leave"), leave);
    setText(of("go"), go);
    of("go").classList.toggle("is-grave", isGrave);
    if (go === "" && document.activeElement === of("go")) of("leave").focus();
    setHidden(of("go"), go === "");
  }

  async #count(action, ids) {
    const counted = { matched: 0, refused: [] };
    for (let start = 0; start < ids.length && !this.#isStopped; start += COUNTED) {
      const found = await act({ action, ids: ids.slice(start, start + COUNTED), dry_run: true });
      counted.matched += found.matched;
      counted.refused.push(...found.refused);
    }
    return counted;
  }

  /** Asks, and resolves to the answer. */
  async #isMeant(action, words, { is_cut: isCut }, { matched, refused }) {
    const wanted = matched - refused.length;
    const left = refused.length === 1 ? "is left as it is" : "are left as they are";
    const notes = [
      isCut ? `More match: these are the newest ${number(matched)}.` : "",
      wanted && refused.length ? `${number(refused.length)} of ${number(matched)} ${left}:` : "",
    ];
    const answer = new Promise((resolve) => {
      this.#onLeave = () => resolve(false);
      this.#onGo = () => resolve(true);
    });
    const question = `${words.verb} ${amount(wanted)}`;
    this.#show({
      title: wanted ? `${question}?` : `Nothing to ${words.verb.toLowerCase()}`,
      about: wanted ? words.about : "",
      note: notes.filter(Boolean).join(" "),
      refused,
      leave: wanted ? "Leave them" : "Close",
      go: wanted ? question : "",
      isGrave: action !== "retry",
    });
    part(this.#dialog, "leave").focus();
    return answer;
  }

  async #do(action, words, ids) {
    let [done, looked] = [0, 0];
    const refused = [];
    this.#onLeave = () => (this.#isStopped = true);
    const tell = () => {
      const progress = { max: ids.length, value: looked };
      const note = this.#isStopped ? "Stopping…" : `${number(looked)} of ${number(ids.length)}`;
      this.#show({ title: `${words.verb} ${amount(ids.length)}`, note, progress, leave: "Stop" });
    };
    let problem = "";
    try {
      while (looked < ids.length && !this.#isStopped) {
        tell();
        const some = ids.slice(looked, looked + DONE_AT_ONCE);
        const outcome = await act({ action, ids: some });
        done += outcome.done;
        looked += some.length;
        refused.push(...outcome.refused);
      }
    } catch (error) {
      const unknown = Math.min(DONE_AT_ONCE, ids.length - looked);
      problem = `${error.message} Of ${amount(unknown)} it isn't known, which the list will show.`;
    }
    const outcome = `${words.done} ${amount(done)}`;
    await this.#tellOutcome(outcome, { refused, problem, untouched: ids.length - looked });
    return `${outcome}.`;
  }

  /** Says what else there is to say. */
  async #tellOutcome(title, { refused, problem, untouched }) {
    if (!problem && !refused.length && !untouched) return;
    const notes = [
      problem || (untouched ? `Stopped: ${amount(untouched)} left as they are.` : ""),
      refused.length ? `${number(refused.length)} ${refused.length === 1 ? "was" : "were"} refused:` : "",
    ];
    const note = notes.filter(Boolean).join(" ");
    await new Promise((resolve) => {
      this.#onLeave = resolve;
      this.#show({ title, note, refused, leave: "Close" });
      part(this.#dialog, "leave").focus();
    });
  }
}

function allowed(ids, refused) {
  const left = new Set(refused.map(({ id }) => id));
  return ids.filter((id) => !left.has(id));
}

async function act(body) {
  const headers = { "Content-Type": "application/json" };
  return read("/api/jobs/bulk", { method: "POST", headers, body: JSON.stringify(body) });
}

async function read(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store", ...options });
  } catch {
    throw new Error("The server can't be reached.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || !body) throw new Error(body?.message ?? `The server answered ${response.status}.`);
  return body;
}

/** Returns `[reason, ids]` of what was refused, the commonest first. Of one that is gone the sentence names its id. */
export function byReason(refused) {
  const reasons = new Map();
  for (const { id, message } of refused) {
    const reason = message.replace(` '${id}'`, "");
    if (!reasons.has(reason)) reasons.set(reason, []);
    reasons.get(reason).push(id);
  }
  return [...reasons].sort(([, some], [, others]) => others.length - some.length);
}

function refusal(reason, ids) {
  const item = document.createElement("li");
  const count = document.createElement("strong");
  count.textContent = `${amount(ids.length)}:`;
  const links = document.createElement("span");
  links.className = "small";
  for (const id of ids.slice(0, MOST_NAMED)) {
    const link = document.createElement("a");
    link.href = `/jobs/${encodeURIComponent(id)}`;
    link.append(Object.assign(document.createElement("code"), { textContent: id }));
    links.append(link, " ");
  }
  if (ids.length > MOST_NAMED) links.append(`and ${number(ids.length - MOST_NAMED)} more`);
  item.append(count, ` ${reason} `, links);
  return item;
}
