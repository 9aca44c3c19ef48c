"use strict";
// Draws the figures of the page from the data beside this script. Nothing is fetched.
const specs = JSON.parse(document.getElementById("figure-data").textContent);
const PRINT_WIDTH = 680;
const chosen = {};
let printing = false;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function merged(base, over) {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    out[key] = isObject(value) && isObject(out[key]) ? merged(out[key], value) : value;
  }
  return out;
}

// "@ink", "@paper" and "@grid" stand for the page's own colours, which change with the reader's scheme
function coloured(value) {
  if (Array.isArray(value)) return value.map(coloured);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item)]));
  return ["@ink", "@paper", "@grid"].includes(value) ? css(`--${value.slice(1)}`) : value;
}

function layoutOf(spec) {
  const axis = {
    automargin: true, gridcolor: css("--grid"), zerolinecolor: css("--rule"), linecolor: css("--rule"),
    tickfont: { size: 12 }, title: { standoff: 8, font: { size: 13 } }, fixedrange: false,
  };
  const base = {
    autosize: true, height: spec.height, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: css("--ink") },
    margin: { l: 8, r: 14, t: 8, b: 8 }, xaxis: axis, yaxis: axis, hovermode: "closest", dragmode: "zoom",
    hoverlabel: { font: { size: 12 } },
  };
  const layout = merged(base, coloured(spec.layout));
  if (printing) Object.assign(layout, { autosize: false, width: spec.half ? PRINT_WIDTH / 2 - 10 : PRINT_WIDTH });
  return layout;
}

// a round's bars: pale ones lie below, so that stretches with bytes under way stand out on their whole transfer
function roundTraces(spec) {
  const round = spec.rounds[chosen[spec.name] || 0];
  const colours = Object.fromEntries(spec.key.map(([colour, name]) => [name, colour]));
  const traces = [];
  for (const pale of [1, 0]) {
    for (const [group, bars] of Object.entries(round.bars)) {
      const places = bars.row.map((_, place) => place).filter((place) => bars.pale[place] === pale);
      if (!places.length) continue;
      traces.push({
        type: "bar", orientation: "h", name: group,
        y: places.map((place) => bars.row[place]), base: places.map((place) => bars.start[place]),
        x: places.map((place) => bars.length[place]),
        customdata: places.map((place) => [bars.phase[place], bars.start[place], bars.length[place]]),
        marker: { color: colours[group], opacity: pale ? 0.35 : 1, line: { width: 0 } },
        hovertemplate: "%{customdata[0]}: %{customdata[2]:.4f} s from %{customdata[1]:.4f} s<extra>%{y}</extra>",
      });
    }
  }
  return { traces, layout: { yaxis: { categoryorder: "array", categoryarray: round.rows } } };
}

function draw(spec) {
  const box = document.getElementById(`plot-${spec.name}`);
  const more = spec.rounds.length ? roundTraces(spec) : { traces: spec.traces, layout: {} };
  const config = { responsive: true, displaylogo: false, displayModeBar: false, plotlyServerURL: "", showTips: false };
  return Plotly.react(box, coloured(more.traces), merged(layoutOf(spec), more.layout), config);
}

function drawAll() {
  return Promise.all(specs.map(draw));
}

for (const choice of document.querySelectorAll("select[data-figure]")) {
  choice.addEventListener("change", () => {
    chosen[choice.dataset.figure] = Number(choice.value);
    draw(specs.find((spec) => spec.name === choice.dataset.figure));
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
addEventListener("beforeprint", () => { printing = true; drawAll(); });
addEventListener("afterprint", () => { printing = false; drawAll(); });
drawAll().then(() => { document.documentElement.dataset.drawn = "true"; });
