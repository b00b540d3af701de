// A figure opens over the whole screen, at a size at which its smallest text can be read; what does not
// fit is scrolled to. Without this script its link opens the drawing itself.
(() => {
  "use strict";
  const READABLE = 12; // pixels that the smallest text has at the least
  const dialog = document.createElement("dialog");
  dialog.className = "figure-dialog";
  const place = document.createElement("div");
  Object.assign(place, { className: "figure-place", tabIndex: 0 });
  place.setAttribute("role", "group");
  const done = document.createElement("button");
  Object.assign(done, { type: "button", textContent: "Close", className: "figure-close" });
  done.addEventListener("click", () => dialog.close());
  dialog.append(done, place);
  document.body.append(dialog);

  const fit = (image) => {
    const [width, height] = ["width", "height"].map((name) => Number(image.getAttribute(name)));
    const whole = Math.min(place.clientWidth, (place.clientHeight * width) / height);
    const readable = (width * READABLE) / (image.dataset.text ?? READABLE);
    image.style.width = `${Math.max(whole, readable)}px`;
  };

  for (const link of document.querySelectorAll("a.figure-open")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as with any link
      event.preventDefault();
      const image = link.querySelector("img").cloneNode();
      image.loading = "eager";
      dialog.setAttribute("aria-label", "Figure");
      place.setAttribute("aria-label", "Figure, scrolls");
      place.replaceChildren(image);
      dialog.showModal();
      fit(image);
    });
  }
  window.addEventListener("resize", () => dialog.open && fit(place.firstChild));
})();
