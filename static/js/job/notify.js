// Tells the viewer when the job has ended. Loaded only when they ask for that: nothing is asked of the browser before.

/** Asks the browser's permission. Returns `tell(name, status)`, null where it is denied. */
export async function askToNotify() {
  if ((await Notification.requestPermission()) !== "granted") return null;
  return (name, status) => {
    const note = new Notification(`${name}: ${status}`, { icon: `/static/favicons/${status}.svg`, tag: location.pathname });
    note.onclick = () => {
      focus();
      note.close();
    };
  };
}
