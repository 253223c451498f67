// A second click on a form that is under way sends nothing: its code or page answers once.

export function sendOnce(root) {
  for (const form of root.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  // Back from the next page: the browser may show this one as it was left.
  window.addEventListener("pageshow", () => {
    for (const form of root.querySelectorAll("form")) delete form.dataset.sent;
  });
}
