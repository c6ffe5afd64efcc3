// What all charts have in common.

const CONFIG = {
  displaylogo: false,
  responsive: true,
  doubleClick: 'autosize',
  modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'autoScale2d']],
};
const PAPER_WIDTH = 680;

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8 },
    automargin: true,
    gridcolor: colour('faint'),
    linecolor: colour('line'),
    zerolinecolor: colour('line'),
    ticks: 'outside',
    tickcolor: colour('line'),
    ...more,
  };
}

// A logarithmic axis over these values with plain numbers, few of them.
function logAxis(title, values, more = {}) {
  const known = values.filter((value) => value > 0);
  const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
  const steps = [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  const ticks = steps.map((own) => ticksOf(own, low / 1.05, high * 1.05));
  const readable = ticks.find((own) => own.length <= 7) ?? ticks.at(-1);
  const few = readable.length < 3;
  const pad = Math.max(0.02, 0.06 * Math.log10(high / low));
  const range = [Math.log10(low) - pad, Math.log10(high) + pad];
  const marks = few ? { nticks: 5 } : { tickvals: readable, ticktext: readable.map(plain) };
  return axis(title, { type: 'log', range, ...marks, tickformat: '~r', ...more });
}

function plain(value) {
  return value >= 1000 ? count(value).replace(/\.0+(?= )/, '').replace(/(\.\d*?)0+(?= )/, '$1') : String(Number(value.toPrecision(3)));
}

function ticksOf(steps, low, high) {
  const found = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade += 1) {
    for (const step of steps) {
      const tick = Number((step * 10 ** decade).toPrecision(4));
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}

function draw(id, traces, layout) {
  const place = document.getElementById(id);
  const font = { family: 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif', size: 13, color: colour('ink') };
  return Plotly.react(place, traces, {
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font,
    margin: { l: 60, r: 16, t: 16, b: 48 },
    hovermode: 'closest',
    hoverlabel: { align: 'left', bgcolor: colour('card'), bordercolor: colour('line'), font },
    showlegend: false,
    ...(matchMedia('print').matches ? { width: PAPER_WIDTH } : {}),
    ...layout,
  }, CONFIG);
}

function show(id, wanted) {
  document.getElementById(id).hidden = !wanted;
}
