// The gallery's filter, which the address remembers, and buttons that copy. Without this all is shown.
const form = document.querySelector(".gallery-filter");
const cards = [...document.querySelectorAll(".gallery > li")];
const count = form.querySelector("output");

function show() {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  let shown = 0;
  for (const card of cards) {
    card.hidden = !chosen.every(([name, value]) => fits(card.dataset[name], value));
    shown += !card.hidden;
  }
  count.value = `${shown} of ${cards.length} figures`;
  return chosen;
}

// a card may have several results, and may speak of all families of tasks
function fits(own, value) {
  return own === "all three families" ? value !== "theory alone" : own.split("|").includes(value);
}

form.addEventListener("change", () => {
  const query = new URLSearchParams(show());
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
});

for (const [name, value] of new URLSearchParams(location.search)) {
  const field = form.elements[name];
  if (field) field.value = value;
}
form.hidden = false;
show();

const wanted = document.getElementById(location.hash.slice(1));
if (wanted && cards.includes(wanted)) wanted.querySelector("details").open = true;

// a page that is not served over https, or a file, has no clipboard
for (const text of navigator.clipboard ? document.querySelectorAll(".gallery pre") : []) {
  const heading = text.previousElementSibling;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.setAttribute("aria-label", `copy: ${heading.textContent}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "copied";
  });
  heading.before(button);
}
