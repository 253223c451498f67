// A form that only carries something on is sent once the page is there, without a click.

export function sendItself(root) {
  const form = root.querySelector("form[data-sent-by-itself]");
  if (!form) return;
  // Not when the browser shows the page again as it was left: what it carries was good for one time.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) form.requestSubmit();
  });
}
