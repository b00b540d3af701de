// What every page needs: the theme's buttons, and what is wide and can be scrolled.
(() => {
  "use strict";

  // Buttons of the theme: their calls stand in data-click, since the pages' policy runs no attribute.
  for (const button of document.querySelectorAll("[data-click]")) {
    button.addEventListener("click", () => window[button.dataset.click]());
  }

  // What is wider than the page scrolls in its own box: its edge fades where more is hidden, and the
  // keyboard reaches it.
  const WIDE = {
    Formula: ".bd-article .katex-display",
    Code: ".bd-article pre",
    Table: ".bd-article .pst-scrollable-table-container, .bd-article div.output.text_html",
  };

  const mark = (box) => {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("more-before", hidden > 1 && box.scrollLeft > 1);
    box.classList.toggle("more-after", hidden > 1 && box.scrollLeft < hidden - 1);
    if (hidden > 1) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `${box.dataset.wide}, scrolls sideways`);
    } else if (box.hasAttribute("tabindex")) {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  };

  const resized = new ResizeObserver((changes) => changes.forEach(({ target }) => mark(target)));
  for (const [kind, boxes] of Object.entries(WIDE)) {
    for (const box of document.querySelectorAll(boxes)) {
      box.dataset.wide = kind;
      box.addEventListener("scroll", () => mark(box), { passive: true });
      resized.observe(box);
    }
  }
})();
