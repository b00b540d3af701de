// What a mention of a result, a chapter or a word says, beside the mention: on pointing, on keyboard
// focus, and on a first tap. Without this script a mention is a plain link.
(() => {
  "use strict";
  const ROOT = document.documentElement.dataset.content_root;
  const REST = 180; // milliseconds that a pointer rests before the box opens, or is away before it closes
  const MARGIN = 8; // pixels between the box, its mention and the edges
  const known = new Map(); // name -> promise of [title, html]
  const waiting = new Map(); // name -> resolve
  let box = null;
  let shown = null; // the mention whose box is open
  let wanted = null; // the mention whose box is on its way
  let timer = 0;

  window.companionPreview = (name, title, html) => waiting.get(name)?.([title, html]);

  // A script rather than a fetch, which a page opened from a disk may not do.
  const load = (name) => {
    if (!known.has(name)) {
      const script = document.createElement("script");
      script.src = `${ROOT}_static/previews/${name}.js`;
      const arrives = new Promise((resolve, reject) => {
        waiting.set(name, resolve);
        script.onerror = () => reject(new Error(name));
      });
      known.set(name, arrives);
      document.head.append(script);
    }
    return known.get(name);
  };

  const close = () => {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    box?.remove();
    shown = wanted = box = null;
  };

  const place = (link) => {
    const at = link.getClientRects()[0];
    const below = window.innerHeight - at.bottom > at.top || window.innerHeight - at.bottom > 320;
    const room = (below ? window.innerHeight - at.bottom : at.top) - 2 * MARGIN;
    box.style.maxHeight = `${Math.max(120, room)}px`;
    const widest = document.documentElement.clientWidth - box.offsetWidth - MARGIN;
    const left = Math.max(MARGIN, Math.min(at.left, widest));
    const top = below ? at.bottom + MARGIN : at.top - MARGIN - box.offsetHeight;
    box.style.left = `${left + window.scrollX}px`;
    box.style.top = `${top + window.scrollY}px`;
  };

  // A tapped box is a small dialog with the way onward in it; otherwise it describes the link.
  const show = async (link, tapped) => {
    const name = [...link.classList].find((kind) => kind.startsWith("to-")).slice(3);
    wanted = link;
    const [title, html] = await load(name);
    if (shown === link || wanted !== link) return;
    close();
    shown = link;
    box = document.createElement("div");
    box.className = "mention-box";
    box.id = "mention-box";
    box.innerHTML = html; // written by the build, of the book's own text
    if (tapped) {
      box.setAttribute("role", "dialog");
      box.setAttribute("aria-label", title);
      const onward = document.createElement("a");
      Object.assign(onward, { href: link.href, className: "mention-onward", textContent: `Go to ${title}` });
      box.append(onward);
    } else {
      box.setAttribute("role", "tooltip");
      link.setAttribute("aria-describedby", box.id);
    }
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", leave);
    document.body.append(box);
    place(link);
  };

  const soon = (action) => {
    clearTimeout(timer);
    timer = setTimeout(action, REST);
  };
  const leave = (event) => event.pointerType !== "touch" && box?.role !== "dialog" && soon(close);
  const quietly = (link) => show(link, false).catch(() => {});

  for (const link of document.querySelectorAll("a.mention")) {
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") soon(() => quietly(link));
    });
    link.addEventListener("pointerleave", leave);
    link.addEventListener("focus", () => link.matches(":focus-visible") && quietly(link));
    link.addEventListener("blur", () => shown === link && box.role === "tooltip" && close());
    link.addEventListener("click", (event) => {
      if (event.pointerType !== "touch" || shown === link) return;
      event.preventDefault();
      show(link, true).catch(() => location.assign(link.href));
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => {
    if (box && !box.contains(event.target) && !shown.contains(event.target)) close();
  });
})();
