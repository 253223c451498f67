// The button beside a password that shows what was typed.

export function addReveals(root) {
  for (const button of root.querySelectorAll("button[data-reveals]")) {
    const input = root.getElementById(button.dataset.reveals);
    button.hidden = false;
    button.addEventListener("click", () => show(input, button, input.type === "password"));
    // Sent as a password again, so that no browser keeps it as ordinary text.
    input.form.addEventListener("submit", () => show(input, button, false));
  }
}

function show(input, button, shown) {
  input.type = shown ? "text" : "password";
  button.textContent = shown ? button.dataset.hide : button.dataset.show;
  button.setAttribute("aria-label", shown ? button.dataset.hideLabel : button.dataset.showLabel);
}
