// Asks whether it is meant, in a dialog that says what will happen, and has the API do it. Loaded when somebody presses
// a button.

const WITHIN = 15000; // ms
const PACE = 1000; // ms between two looks at whether the question still holds

// What is said of an action that was done, and in which statuses that is true
export const DONE = {
  cancel: ["Cancelled.", "cancelled"],
  retry: ["It runs again: what had completed is kept.", "pending running"],
};

/**
 * form: its address says to what, its data-form whether to "cancel", "retry", "rerun" or "delete". watch: see
 * JobSync. Returns the answer's body, `{}` for none, null if the viewer thought better of it. Rejects with a message
 * for people.
 */
export async function act(form, watch) {
  const action = form.dataset.form;
  const { pathname } = new URL(form.action);
  if (action !== "rerun" && !(await isMeant(pathname, watch, form))) return null;
  return send(action, pathname);
}

async function ask(url, signal = AbortSignal.timeout(WITHIN)) {
  const response = await fetch(url, { signal, cache: "no-store" });
  return { status: 200, body: { isAsked: response.ok, text: await response.text() } };
}

/** Asks. The numbers stay those of the page while it is asked; where it makes no sense any more, that is said. */
async function isMeant(url, watch, form) {
  const { body } = await ask(url).catch(() => {
    throw new Error("The server can't be reached: nothing was done. Try again when the page is live.");
  });
  if (!body.isAsked) throw new Error(body.text);
  const dialog = document.createElement("dialog");
  dialog.id = "ask";
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "ask-title");
  dialog.innerHTML = body.text; // made by the server as for the page itself: it escapes what it fills in
  document.body.append(dialog);
  dialog.showModal();
  const stop = watch({
    keyOf: ({ revision }) => revision,
    read: (signal) => ask(url, signal),
    onHtml: (newer) => newer && show(dialog, newer),
    spacing: PACE,
  });
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  stop();
  dialog.remove();
  if (form.offsetParent === null) document.querySelector("[data-part=actions]").focus(); // its button went meanwhile
  return dialog.returnValue === "yes";
}

/** Brings the sentences along; the buttons stay, with the focus. */
function show(dialog, { isAsked, text }) {
  const newer = document.createElement("div");
  newer.innerHTML = isAsked ? text : "<p></p>";
  if (!isAsked) newer.firstElementChild.textContent = text;
  const sentences = [...newer.querySelectorAll(":scope > p")];
  const old = [...dialog.querySelectorAll(":scope > p")];
  if (sentences.map((node) => node.textContent).join() !== old.map((node) => node.textContent).join()) {
    for (const node of old) node.remove();
    dialog.querySelector("form").before(...sentences);
  }
  const yes = dialog.querySelector("[data-confirm]");
  if (!isAsked && yes.contains(document.activeElement)) dialog.querySelector("[data-refuse]").focus();
  yes.hidden = !isAsked;
}

async function send(action, pathname) {
  const url = `/api${action === "delete" ? pathname.replace(/\/delete$/, "") : pathname}`;
  const options = { method: action === "delete" ? "DELETE" : "POST", signal: AbortSignal.timeout(WITHIN) };
  if (action === "rerun") Object.assign(options, { body: "{}", headers: { "Content-Type": "application/json" } });
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error("The server can't be reached. It is not known whether it was done; the page will show it.");
  }
  const body = await response.json().catch(() => ({})); // 204 has none
  if (!response.ok) throw new Error(body.message ?? `The server answered ${response.status}.`);
  return body;
}
