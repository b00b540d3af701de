// Mount the anywidgets of a page from the state that the executed notebook kept.
// No kernel, no require.js: each widget computes in the browser from its own traits.
(() => {
  "use strict";
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  class Model {
    constructor(state, manager) {
      this.state = state;
      this.widget_manager = manager;
      this.listeners = new Map();
    }
    get(name) {
      return this.state[name];
    }
    set(name, value) {
      const changes = typeof name === "object" ? name : { [name]: value };
      const changed = Object.keys(changes).filter((key) => this.state[key] !== changes[key]);
      Object.assign(this.state, changes);
      changed.forEach((key) => this.trigger(`change:${key}`, this, changes[key]));
      if (changed.length) this.trigger("change", this);
    }
    on(events, callback) {
      for (const event of events.split(/\s+/)) {
        this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]);
      }
    }
    off(events, callback) {
      const named = events ? events.split(/\s+/) : [...this.listeners.keys()];
      for (const event of named) {
        const kept = callback ? (this.listeners.get(event) ?? []).filter((f) => f !== callback) : [];
        this.listeners.set(event, kept);
      }
    }
    trigger(event, ...values) {
      (this.listeners.get(event) ?? []).forEach((callback) => callback(...values));
    }
    save_changes() {} // no kernel to save to
    send() {}
  }

  const load = async (source) => {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      const module = await import(address);
      const widget = module.default ?? module;
      return typeof widget === "function" ? await widget() : widget;
    } finally {
      URL.revokeObjectURL(address);
    }
  };

  // What an explorer shows stands in the address of the page, under the explorer's name, so that a
  // copied address shows the same. A state that may not be there is none; anchors stay as they are.
  const WAIT = 300; // ms without a change: browsers refuse an address that is written too often
  const kinds = new Map(); // name of a kind -> how many of it the page has so far

  const keep = (model, { name, readers }) => {
    const count = (kinds.get(name) ?? 0) + 1;
    kinds.set(name, count);
    const address = (trait) => `${name}${count > 1 ? `-${count}` : ""}.${trait}`;
    const traits = Object.keys(readers);
    const own = traits.map((trait) => model.get(trait));

    const asked = new URLSearchParams(location.search);
    const named = traits.filter((trait) => asked.has(address(trait)));
    const values = named.map((trait) => readers[trait](asked.get(address(trait))));
    if (!values.includes(undefined)) {
      model.set(Object.fromEntries(named.map((trait, i) => [trait, values[i]])));
    }

    const write = () => {
      const query = new URLSearchParams(location.search);
      const moved = traits.some((trait, i) => model.get(trait) !== own[i]);
      for (const trait of traits) {
        if (moved) query.set(address(trait), model.get(trait));
        else query.delete(address(trait));
      }
      const search = query.size ? `?${query}` : "";
      history.replaceState(history.state, "", location.pathname + search + location.hash);
    };
    let timer;
    model.on("change", () => {
      clearTimeout(timer);
      timer = setTimeout(write, WAIT);
    });
  };

  const mount = async (view, models) => {
    const model = models.get(JSON.parse(view.textContent).model_id);
    if (!model?.get("_esm")) return; // only anywidgets live on pages
    const place = document.createElement("div");
    place.className = "companion-widget";
    view.after(place);
    if (model.get("_css")) {
      const style = document.createElement("style");
      style.textContent = model.get("_css");
      document.head.append(style);
    }
    const widget = await load(model.get("_esm"));
    if (widget.address) keep(model, widget.address(model));
    await widget.initialize?.({ model });
    await widget.render({ model, el: place });
  };

  const models = new Map();
  const manager = { get_model: async (id) => models.get(id) };
  for (const script of document.querySelectorAll(STATE)) {
    const { state } = JSON.parse(script.textContent);
    for (const [id, saved] of Object.entries(state)) models.set(id, new Model(saved.state, manager));
  }
  (async () => {
    // One after the other: explorers of one kind are numbered as they stand on the page.
    for (const view of document.querySelectorAll(VIEW)) {
      await mount(view, models).catch((error) => console.error("widget:", error));
    }
  })();
})();
