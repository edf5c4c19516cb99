// Puts the chosen theme in place before the first paint. A plain script, so that the browser waits for it.
try {
  const theme = localStorage.getItem("jobsync.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is refused: the theme is the system's
}
