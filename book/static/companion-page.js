// Buttons of the theme: their calls stand in data-click, since the pages' policy runs no attribute.
for (const button of document.querySelectorAll("[data-click]")) {
  button.addEventListener("click", () => window[button.dataset.click]());
}
