// Modules that are loaded when they are first needed.

const AGAIN = 1000; // ms

/** Returns what `load()` resolves to, a module; tried again for as long as the server can't be reached. */
export async function loaded(load) {
  for (;;) {
    try {
      return await load();
    } catch (error) {
      console.info("A part of the page is still to be loaded:", error.message);
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }
}
