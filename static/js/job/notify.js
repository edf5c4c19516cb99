// Tells the viewer when the job has ended. Loaded only when they ask for that: nothing is asked of the browser before.

import { TERMINAL } from "../lib/status.js";

/**
 * Asks the browser's permission, and says by `actions` whether it is given; then `button` can't be pressed again.
 * Returns `tell(name, status)`, null where it is denied.
 */
export async function askToNotify(button, actions) {
  const isAllowed = (await Notification.requestPermission()) === "granted";
  const refusal = "The browser's settings forbid notifications of this page.";
  const words = isAllowed ? "You will be told when it ends." : refusal;
  actions.say(words, { isTrueIn: (status) => !TERMINAL.has(status) });
  button.disabled = isAllowed;
  if (!isAllowed) return null;
  return (name, status) => {
    const options = { icon: `/static/favicons/${status}.svg`, tag: location.pathname };
    const note = new Notification(`${name}: ${status}`, options);
    note.onclick = () => {
      focus();
      note.close();
    };
  };
}
