// The buttons of a job: forms that work without scripts, sent to the API with them, and how that went said in words.

import { setAttribute, setHidden, setText } from "../lib/show.js";
import { actions } from "../lib/status.js";

export class Actions {
  #jobId;
  #forms;
  #said;
  #dialog;
  #onDone;
  #status;
  #isTrueIn = () => true; // of what is said
  #isBusy = false;

  /**
   * status: the job's. forms: those of the page. said: where the outcome is told. dialog: asks before a job is deleted.
   * onDone(action, answer): after a success.
   */
  constructor({ jobId, status, forms, said, dialog, onDone }) {
    this.#jobId = jobId;
    this.#status = status;
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
    // Back from where a rerun had led
    addEventListener("pageshow", ({ persisted }) => persisted && this.#setBusy(false));
  }

  /** Shows the buttons that make sense for a job of that status, and takes back what isn't true any more. */
  show(status) {
    if (status === this.#status) return;
    this.#status = status;
    if (!this.#isTrueIn(status)) this.say("");
    for (const form of this.#forms) {
      const isLost = !actions(status).includes(form.dataset.form);
      // The focus doesn't go to another button, which the next key would press
      if (isLost && form.contains(document.activeElement)) form.parentElement.focus();
      setHidden(form, isLost);
    }
  }

  /** Says something that stays there until the status changes to one that it isn't true in. */
  say(text, { isProblem = false, isTrueIn = () => false } = {}) {
    this.#isTrueIn = isTrueIn;
    setText(this.#said, text);
    this.#said.classList.toggle("is-problem", isProblem);
  }

  #start(action) {
    if (this.#isBusy) return;
    if (action !== "delete") {
      this.#run(action);
      return;
    }
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
  }

  async #run(action) {
    this.say("");
    this.#setBusy(true);
    try {
      const { DONE, sendAction } = await import("./send_action.js").catch(() => {
        throw new Error("The server can't be reached: nothing was done. Try again when the page is live.");
      });
      const answer = await sendAction(this.#jobId, action);
      const done = DONE[action];
      if (done) this.say(done.words, done);
      if (action !== "rerun") this.#setBusy(false); // else the page is left: a second one isn't meant
      this.#onDone(action, answer);
    } catch (error) {
      this.say(error.message, { isProblem: true });
      this.#setBusy(false);
    }
  }

  /** Not `disabled`, which would take the focus away. */
  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    for (const form of this.#forms) setAttribute(form.querySelector("button"), "aria-disabled", isBusy);
  }
}
