// The buttons of a job: forms that work without scripts, sent to the API with them, and how that went said in words.

import { setHidden, setText } from "./show.js";

const WITHIN = 15000; // ms
const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const DONE = { cancel: "Cancelled.", retry: "It runs again: what had completed is kept." };

/** Says which actions a job of that status allows. */
function isPossible(action, status) {
  if (action === "cancel") return !TERMINAL.has(status);
  if (action === "retry") return status === "failed" || status === "cancelled";
  if (action === "delete") return TERMINAL.has(status);
  return true;
}

export class Actions {
  #jobId;
  #forms;
  #said;
  #dialog;
  #onDone;

  /** forms: those of the page. said: where the outcome is told. dialog: asks before a job is deleted. onDone(action, answer): after a success. */
  constructor({ jobId, forms, said, dialog, onDone }) {
    this.#jobId = jobId;
    this.#forms = forms;
    this.#said = said;
    this.#dialog = dialog;
    this.#onDone = onDone;
    for (const form of forms) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.#start(form.dataset.form);
      });
    }
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "yes") this.#run("delete");
    });
  }

  /** Shows the buttons that make sense for a job of that status. */
  show(status) {
    for (const form of this.#forms) setHidden(form, !isPossible(form.dataset.form, status));
  }

  #start(action) {
    if (action !== "delete") {
      this.#run(action);
      return;
    }
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
  }

  async #run(action) {
    this.#say("", false);
    this.#setBusy(true);
    try {
      const answer = await this.#send(action);
      this.#say(DONE[action] ?? "", false);
      this.#onDone(action, answer);
    } catch (error) {
      this.#say(error.message, true);
    } finally {
      this.#setBusy(false);
    }
  }

  /** Returns the answer's body, null for none. Rejects with a message for people. */
  async #send(action) {
    const url = `/api/jobs/${encodeURIComponent(this.#jobId)}`;
    const options = { method: action === "delete" ? "DELETE" : "POST", signal: AbortSignal.timeout(WITHIN) };
    if (action === "rerun") Object.assign(options, { body: "{}", headers: { "Content-Type": "application/json" } });
    let response;
    try {
      response = await fetch(action === "delete" ? url : `${url}/${action}`, options);
    } catch {
      throw new Error("The server can't be reached. It is not known whether it was done; the page will show it.");
    }
    const body = await response.json().catch(() => null); // 204 has none
    if (!response.ok) throw new Error(body?.message ?? `The server answered ${response.status}.`);
    return body;
  }

  #say(text, isProblem) {
    setText(this.#said, text);
    this.#said.classList.toggle("is-problem", isProblem);
  }

  #setBusy(isBusy) {
    for (const form of this.#forms) form.querySelector("button").disabled = isBusy;
  }
}
