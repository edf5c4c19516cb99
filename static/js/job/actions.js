// The buttons of a job, its steps and their children: forms that work without scripts. What a press does is loaded
// with the first one (act.js).

import { part, setAttribute, setHidden, setText } from "../lib/show.js";

/** Says how something went, in an element of its own. trueIn: the statuses in which that stays true, in one text. */
export function say(said, text, trueIn = "", isProblem = false) {
  setText(said, text);
  said.dataset.trueIn = trueIn;
  said.classList.toggle("is-problem", isProblem);
}

/** Shows those forms within `place` that make sense in a status, and takes back what is said and isn't true in it. */
export function offer(place, said, status, allowed) {
  if (!said.dataset.trueIn?.split(" ").includes(status)) setText(said, "");
  for (const form of place.querySelectorAll("form")) {
    const isLost = !allowed.includes(form.dataset.form);
    // The focus doesn't go to another button, which the next key would press
    if (isLost && form.contains(document.activeElement)) place.focus();
    setHidden(form, isLost);
  }
}

/**
 * Has the forms within `root` done by scripts. watch: as of JobSync, for what is asked meanwhile.
 * onDone(form, answer): after a success.
 */
export function takeForms(root, watch, onDone) {
  let last = Promise.resolve(); // one after the other: there is one dialog
  // Not `disabled`, which would take the focus away
  const setBusy = (form, isSet) => setAttribute(form.querySelector("button"), "aria-disabled", isSet);
  const take = async (form) => {
    const step = form.closest("[data-step]");
    // That of a child may be gone meanwhile, with its row
    const said = () => document.getElementById(form.dataset.said);
    let isLeaving = false;
    try {
      if (said()) say(said(), "");
      const { act, DONE } = await import("./act.js").catch(() => {
        throw new Error("The server can't be reached: nothing was done. Try again when the page is live.");
      });
      const answer = await act(form, watch);
      isLeaving = form.dataset.form === "rerun"; // a second one isn't meant
      if (answer && said()) say(said(), ...(DONE[form.dataset.form] ?? [""]));
      if (answer) onDone(form, answer);
    } catch (error) {
      const place = said() ?? (step && part(step, "step-said"));
      if (place) say(place, error.message, "", true);
    }
    if (!isLeaving) setBusy(form, false);
  };
  root.addEventListener("submit", (event) => {
    const form = event.target;
    event.preventDefault();
    if (form.querySelector("[aria-disabled=true]")) return;
    setBusy(form, true);
    last = last.then(() => form.isConnected && take(form));
  });
  // Back from where a rerun had led
  addEventListener("pageshow", ({ persisted }) => {
    const busy = persisted ? root.querySelectorAll("form:has([aria-disabled=true])") : [];
    for (const form of busy) setBusy(form, false);
  });
}
