// What is around every page: the switch of the theme, and the keys.

import { part, setHidden, setText } from "./show.js";

const THEMES = ["system", "light", "dark"];

function startThemes(button) {
  const root = document.documentElement;
  const show = () => {
    const theme = root.dataset.theme ?? "system";
    setText(part(button, "theme-name"), theme);
    button.querySelector("use").setAttribute("href", `#i-theme-${theme}`);
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("jobsync.theme", next);
    } catch (error) {
      console.info("The theme is forgotten when you leave the page:", error.message);
    }
    show();
  });
  show();
  setHidden(button, false);
}

/** Moves the focus to the next (1) or previous (-1) of the page's stops: rows of the list, steps of a job. */
function step(direction) {
  const stops = [...document.querySelectorAll("[data-stop]")].filter((stop) => stop.getClientRects().length > 0);
  const at = stops.findIndex(
    (stop) => stop === document.activeElement || stop.parentElement.contains(document.activeElement),
  );
  const next = stops[at === -1 ? (direction === 1 ? 0 : stops.length - 1) : at + direction];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => document.querySelector('input[type="search"]')?.focus(),
  "?": () => document.querySelector("#keys").showModal(),
  h: () => document.querySelector(".brand").click(),
};

function startKeys(button) {
  const dialog = document.querySelector("#keys");
  button.addEventListener("click", () => dialog.showModal());
  setHidden(button, false);
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, [contenteditable], dialog[open]");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
}

startThemes(document.querySelector("[data-part='theme']"));
startKeys(document.querySelector("[data-part='keys']"));
