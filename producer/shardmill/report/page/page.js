// Draws the plots of the page from the JSON that it carries; see figures.py for their form.
"use strict";

const NARROW = 480;
const fill = "var(--fill)";
const number = new Intl.NumberFormat("en", {maximumSignificantDigits: 3, notation: "compact"});
const clock = (seconds) =>
  seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${seconds / 60} min` : `${seconds / 3600} h`;
const tip = {title: "tip", tip: true};

const KINDS = {
  histogram: (figure) => ({
    height: 220,
    x: {label: figure.x, type: figure.log ? "log" : "linear", tickFormat: number.format, ticks: 6},
    y: {label: null, grid: true, tickFormat: number.format, ticks: 4},
    marks: [
      Plot.ruleX(figure.marks, {x: "x", stroke: "currentColor", strokeOpacity: 0.3, strokeDasharray: "2,3"}),
      Plot.rectY(figure.data, {x1: "x1", x2: "x2", y: "y", fill, ...tip}),
      Plot.text(figure.marks, {x: "x", text: "text", frameAnchor: "top", dy: -12}),
      Plot.ruleY([0]),
    ],
  }),

  bars: (figure) => ({
    height: 30 + 22 * figure.data.length,
    marginLeft: Math.min(170, 20 + 6.5 * Math.max(...figure.data.map((bar) => bar.name.length))),
    x: {label: figure.x, grid: true, tickFormat: number.format, ticks: 4},
    y: {label: null, domain: figure.data.map((bar) => bar.name), tickFormat: (name) => shorten(name, 24)},
    marks: [Plot.barX(figure.data, {x: "value", y: "name", fill, ...tip}), Plot.ruleX([0])],
  }),

  sizes: (figure, width) => ({
    height: Math.min(460, 0.75 * width + 60),
    marginLeft: 50,
    x: {label: "width", type: "log", base: 2, grid: true, tickFormat: String, ticks: width < NARROW ? 4 : 8},
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
    x: {label: "classes, the largest first", ticks: 6},
    y: {label: figure.x, grid: true, tickFormat: number.format, ticks: 4},
    marks: [
      Plot.rectY(figure.data, {x1: "place", x2: (bar) => bar.place + 1, y: "value", fill, inset: 0, ...tip}),
      Plot.ruleY([0]),
    ],
  }),

  timeline: (figure) => ({
    height: 240,
    x: {label: "time since the run began", tickFormat: clock, ticks: 6},
    y: {label: figure.x, grid: true, tickFormat: number.format, ticks: 4},
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

/** The named sizes that lie among those of the files. */
function within(figure) {
  const reach = 1.15;
  const [left, right] = d3.extent(figure.data, (cell) => cell.x);
  const [low, high] = d3.extent(figure.data, (cell) => cell.y);
  return figure.marks.filter(
    ({x, y}) => x >= left / reach && x <= right * reach && y >= low / reach && y <= high * reach,
  );
}

function draw(place, figure) {
  const width = Math.max(240, Math.floor(place.clientWidth));
  const style = {background: "transparent", fontSize: "12px", fontFamily: "inherit"};
  const options = {width, marginTop: 24, style, ...KINDS[figure.kind](figure, width)};
  place.replaceChildren(Plot.plot({...options, ariaLabel: figure.title}));
}

const figures = new Map(
  JSON.parse(document.getElementById("plots").textContent).map((figure) => [figure.id, figure]),
);
const watcher = new ResizeObserver((changes) => {
  for (const {target} of changes) {
    if (target.dataset.width === String(target.clientWidth)) continue;
    target.dataset.width = target.clientWidth;
    draw(target, figures.get(target.dataset.plot));
  }
});
for (const place of document.querySelectorAll("[data-plot]")) watcher.observe(place);
