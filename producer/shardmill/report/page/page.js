// Draws the plots of the page from the JSON that it carries; see figures.py for their form.
"use strict";

const NARROW = 480;
const PAPER = 660; // CSS pixels between the margins of A4 or Letter
const fill = "var(--fill)";
const number = new Intl.NumberFormat("en", {maximumSignificantDigits: 3, notation: "compact"});
const below = {labelAnchor: "center", labelArrow: "none", labelOffset: 40};
const tip = {title: "tip", tip: true};

const KINDS = {
  histogram: (figure, width) => ({
    height: 220,
    x: {label: figure.x, ...below, type: figure.log ? "log" : "linear", tickFormat: number.format, ticks: 6},
    y: {label: null, grid: true, tickFormat: number.format, ticks: 4},
    marks: [
      Plot.ruleX(figure.marks, {x: "x", stroke: "currentColor", strokeOpacity: 0.3, strokeDasharray: "2,3"}),
      Plot.rectY(figure.data, {x1: "x1", x2: "x2", y: "y", fill, ...tip}),
      Plot.text(apart(figure, width), {x: "x", text: "text", frameAnchor: "top", dy: -12}),
      Plot.ruleY([0]),
    ],
  }),

  bars: (figure) => ({
    marginTop: 4,
    height: 48 + 22 * figure.data.length,
    marginLeft: Math.min(170, 20 + 6.5 * Math.max(...figure.data.map((bar) => bar.name.length))),
    x: {label: figure.x, ...below, grid: true, tickFormat: number.format, ticks: 4},
    y: {label: null, domain: figure.data.map((bar) => bar.name), tickFormat: (name) => shorten(name, 24)},
    marks: [Plot.barX(figure.data, {x: "value", y: "name", fill, ...tip}), Plot.ruleX([0])],
  }),

  sizes: (figure, width) => ({
    height: Math.min(460, 0.75 * width + 60),
    marginLeft: 50,
    marginRight: 44,
    inset: width < NARROW ? 14 : 24, // as far as a dot reaches
    x: {label: "width", ...below, type: "log", base: 2, grid: true, tickFormat: String, ticks: width < NARROW ? 4 : 8},
    y: {label: "height", type: "log", base: 2, grid: true, tickFormat: String, ticks: 6},
    r: {range: [0, width < NARROW ? 14 : 24]},
    marks: [
      Plot.dot(figure.data, {x: "x", y: "y", r: "value", fill, fillOpacity: 0.55, stroke: fill, ...tip}),
      Plot.dot(within(figure), {x: "x", y: "y", symbol: "plus", stroke: "currentColor", r: 4}),
      Plot.text(within(figure), {x: "x", y: "y", text: "text", dx: 7, dy: 9, textAnchor: "start"}),
    ],
  }),

  ranks: (figure) => ({
    height: 220,
    x: {label: figure.x, ...below, ticks: 6},
    y: {label: figure.y, grid: true, tickFormat: number.format, ticks: 4},
    marks: [
      Plot.areaY(figure.data, {x: "place", y: "value", fill, curve: "step", ...tip}),
      Plot.ruleY([0]),
    ],
  }),

  timeline: (figure) => ({
    height: 240,
    x: {label: figure.x, ...below, ticks: 6},
    y: {label: figure.y, grid: true, tickFormat: number.format, ticks: 4},
    color: {legend: true, scheme: "observable10", tickFormat: (name) => shorten(name, 24)},
    marks: [
      Plot.rectY(figure.data, {x1: "at", x2: "until", y: "value", fill: "name", inset: 0, ...tip}),
      Plot.ruleY([0]),
    ],
  }),
};

function shorten(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** The marks of a histogram whose names do not run into each other. */
function apart(figure, width) {
  const place = (figure.log ? d3.scaleLog() : d3.scaleLinear())
    .domain([figure.data[0].x1, figure.data.at(-1).x2])
    .range([0, width - 60]);
  let last = -Infinity;
  return figure.marks.filter(({x}) => place(x) - last >= 32 && ((last = place(x)), true));
}

/** The named sizes that lie among those of the files. */
function within(figure) {
  const reach = 1.15;
  const [left, right] = d3.extent(figure.data, (cell) => cell.x);
  const [low, high] = d3.extent(figure.data, (cell) => cell.y);
  return figure.marks.filter(
    ({x, y}) => x >= left / reach && x <= right * reach && y >= low / reach && y <= high * reach,
  );
}

function draw(place, width) {
  const figure = figures.get(place.dataset.plot);
  const style = {background: "transparent", fontSize: "12px", fontFamily: "inherit"};
  const options = {width, marginTop: 24, marginBottom: 44, style, ...KINDS[figure.kind](figure, width)};
  place.replaceChildren(Plot.plot({...options, ariaLabel: figure.title}));
}

const figures = new Map(
  JSON.parse(document.getElementById("plots").textContent).map((figure) => [figure.id, figure]),
);
const places = document.querySelectorAll("[data-plot]");

/** Draw as wide as there is room, unless it is so already. */
function fit(place) {
  if (place.dataset.width === String(place.clientWidth)) return;
  place.dataset.width = place.clientWidth;
  draw(place, Math.max(240, place.clientWidth));
}

const watcher = new ResizeObserver((changes) => {
  // In the next frame: what changes sizes within an observer is told to the console.
  for (const {target} of changes) requestAnimationFrame(() => fit(target));
});
for (const place of places) {
  fit(place); // at once: a tab in the background gets no frames
  watcher.observe(place);
}

// Paper has a width of its own, and the browser tells of it too late to draw anew.
addEventListener("beforeprint", () => {
  for (const place of places) draw(place, place.closest(".wide") ? PAPER : PAPER / 2 - 40);
});
addEventListener("afterprint", () => {
  for (const place of places) draw(place, Math.max(240, place.clientWidth));
});
