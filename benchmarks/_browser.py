"""Chromium, and a page that notes when it shows which status of a step."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import Error, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

# Notes when a step's new status is in the document, and when the frame with it has been painted
CLOCK = """
const clock = () => (performance.timeOrigin + performance.now()) / 1000;
const afterPainting = (note) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = note;
  channel.port2.postMessage(null);
});
"""
WATCH = (
    CLOCK
    + """
window.shownSteps = [];
new MutationObserver((records) => {
  const at = clock();
  for (const { target } of records) {
    const { step, status } = target.dataset;
    if (step) afterPainting(() => window.shownSteps.push([at, clock(), step, status]));
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-status"] });
"""
)

# Notes when a step's status, its number of lines and its last line in view had been painted: [at,
# step, status, log_count, last line]
WATCH_ALL = (
    CLOCK
    + """
window.paints = [];
new MutationObserver((records) => {
  const steps = new Set(
    records.map(({ target }) => target.closest?.("[data-step]")).filter(Boolean)
  );
  const shown = [...steps].map((step) => {
    const lines = step.querySelectorAll("[data-line]");
    return [
      step.dataset.step,
      step.dataset.status,
      Number(step.dataset.logCount),
      Number(lines.item(lines.length - 1)?.dataset.line ?? 0)
    ];
  });
  if (shown.length > 0)
    afterPainting(() => shown.forEach((values) => window.paints.push([clock(), ...values])));
}).observe(document, {
  subtree: true,
  childList: true,
  attributes: true,
  attributeFilter: ["data-status", "data-log-count"]
});
"""
)


@contextmanager
def a_browser():
    """Give a Chromium without a window.

    Raises OSError when there is none, or when a page doesn't do what is expected.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        try:
            with playwright.chromium.launch(executable_path=program, args=arguments) as browser:
                yield browser
        except Error as error:
            raise OSError(f"Chromium: {error.message.splitlines()[0]}") from error


@contextmanager
def a_page():
    """Give a page of such a browser."""
    with a_browser() as browser:
        yield browser.new_page()
