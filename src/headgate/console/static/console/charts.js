// Draws every figure that carries a specification, in the colours of the page's own tokens, and again when the theme or the part
// of the page changes. The specification says everything; this fills in the tokens. Expressions are interpreted, never compiled,
// so that the page's policy needs no exception. Without the library the tables beside the charts say the same.
const library = document.querySelector('meta[name="charts"]')?.content;
const drawn = new WeakMap();
let embed = null;

function painted(spec) {
  const style = getComputedStyle(document.documentElement);
  return JSON.parse(spec, (_, value) =>
    typeof value === "string" ? value.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim()) : value);
}

const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function tell(handler, event, item, value) {
  if (value === null || value === undefined || value === "") { tip.hidden = true; return; }
  const rows = document.createElement("dl");
  for (const [name, said] of Object.entries(value)) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = said;
    rows.append(term, text);
  }
  tip.replaceChildren(rows);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
  tip.style.top = `${Math.max(8, event.clientY - height - 12)}px`;
}

async function draw(figure) {
  embed ??= (await import(library)).vegaEmbed;
  const place = document.createElement("div");
  place.className = "drawing";
  place.setAttribute("aria-hidden", "true"); // the figure speaks for it
  figure.append(place);
  const options = { ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip: tell };
  const result = await embed(place, painted(figure.dataset.spec), options);
  drawn.get(figure)?.();
  for (const before of figure.querySelectorAll(".drawing")) if (before !== place) before.remove();
  drawn.set(figure, () => result.finalize());
  figure.dataset.drawn = "true";
}

function drawAll(within = document) {
  for (const figure of within.querySelectorAll("figure[data-spec]")) {
    draw(figure).catch((reason) => { figure.replaceChildren(); figure.dataset.drawn = "false"; console.warn("A chart could not be drawn.", reason); });
  }
}

if (library) {
  drawAll();
  document.addEventListener("renewed", (event) => drawAll(event.target));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
}
