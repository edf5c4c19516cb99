// Copying by a button. Without scripts, and where the page isn't served securely, there is none.

import { setHidden, setText } from "./show.js";

const SAID = 2000; // ms

/**
 * Shows a button that copies what `textOf()` returns, and says so on it and in `status`, an element that screen readers
 * hear.
 */
export function showCopy(button, textOf, status) {
  const word = button.firstChild; // what follows it is for screen readers
  const say = (short, long = short) => {
    word.textContent = short;
    setText(status, long);
  };
  setHidden(button, !navigator.clipboard);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(textOf());
      say("Copied");
    } catch (error) {
      console.info("The browser doesn't let this page copy:", error.message);
      say("Not allowed", "The browser doesn't let this page copy");
    }
    setTimeout(() => say("Copy", ""), SAID);
  });
}
