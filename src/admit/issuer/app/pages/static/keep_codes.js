// Copying and printing recovery codes. Without script they are selected by one press and printed by the browser.

export function addKeeping(root) {
  for (const button of root.querySelectorAll("button[data-copies]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", () => copy(button, root.getElementById(button.dataset.copies)));
  }
  for (const button of root.querySelectorAll("button[data-prints]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}

async function copy(button, list) {
  const lines = [...list.querySelectorAll("code")].map((code) => code.textContent);
  await navigator.clipboard.writeText(lines.join("\n") + "\n");
  button.textContent = button.dataset.done;
}
