// Tells the viewer when the job has ended. Loaded only when they ask for that: nothing is asked of the browser before.

import { say } from "./actions.js";

/**
 * Asks the browser's permission, and says in `said` whether it is given; then `button` can't be pressed again.
 * Returns `tell(name, status)`, null where it is denied.
 */
export async function askToNotify(button, said) {
  const isAllowed = (await Notification.requestPermission()) === "granted";
  const refusal = "The browser's settings forbid notifications of this page.";
  const words = isAllowed ? "You will be told when it ends." : refusal;
  say(said, words, "pending running");
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
