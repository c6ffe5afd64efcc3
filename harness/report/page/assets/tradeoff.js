// The trade-off: candidates small, selected subnets large with budgets and intervals, fronts as lines.

const OPEN = { predicted: '-open', estimated: '-open', unmeasured: '-open', noisy: '-open-dot', throttled: '-cross' };

function symbol(base, own) {
  if (own === 'failed') return 'x-thin-open';
  if (own === 'throttled') return 'circle-cross-open';
  return base + (OPEN[own] ?? '');
}

function drawTradeoff() {
  const cost = COSTS[STATE.cost];
  const value = VALUES[STATE.value];
  const shown = DATA.rows.filter(visible);
  const placed = shown.filter((row) => cost.value(row) > 0 && value.value(row) !== undefined);
  const traces = DATA.series.flatMap((series, place) => [
    ...frontTrace(series, place, cost, value),
    ...pointTraces(placed.filter((row) => row.series === series.name), place, cost, value),
  ]);
  const named = DATA.rows[STATE.named];
  if (named && placed.includes(named)) traces.push(ring(named, cost, value));
  const reversed = STATE.value === 'upem' ? { autorange: 'reversed' } : {};
  draw('tradeoff', traces, {
    xaxis: logAxis(cost.title(placed), placed.flatMap((row) => [cost.value(row), ...(row.budgets && cost.ends?.(row) || [])])),
    yaxis: axis(value.title, reversed),
    shapes: budgetLine(),
    annotations: [corner()],
  });
  document.getElementById('tradeoff-note').textContent = tradeoffNote(shown, placed, cost);
}

function frontTrace(series, place, cost, value) {
  const indices = DATA.fronts[`${STATE.cost}/${STATE.value}`][place] ?? [];
  const rows = indices.map((index) => DATA.rows[index]).filter(visible);
  if (!rows.length) return [];
  return [{
    mode: 'lines', x: rows.map(cost.value), y: rows.map(value.value), hoverinfo: 'skip',
    line: { shape: 'hv', width: 1.5, color: look(place).colour },
  }];
}

function pointTraces(rows, place, cost, value) {
  const traces = [];
  for (const large of [false, true]) {
    for (const own of Object.keys(KINDS)) {
      const alike = rows.filter((row) => kind(row) === own && Boolean(row.budgets || row.name) === large);
      if (alike.length) traces.push(points(alike, own, large, place, cost, value));
    }
  }
  return traces;
}

function points(rows, own, large, place, cost, value) {
  const { colour: paint, symbol: base } = look(place);
  return {
    mode: large ? 'markers+text' : 'markers',
    x: rows.map(cost.value),
    y: rows.map(value.value),
    text: large ? rows.map((row) => escaped(shortened(row.name ?? row.budgets.join(', ')))) : undefined,
    textposition: large ? rows.map((row) => labelPlace(row)) : undefined,
    textfont: { color: paint, size: 12 },
    cliponaxis: false,
    opacity: large ? 1 : 0.5,
    marker: {
      symbol: rows.map((row) => row.name === undefined ? symbol(base, own) : 'star'),
      size: large ? 11 : 6, color: paint, line: { color: paint, width: own === 'measured' ? 0 : 1.8 },
    },
    error_x: large ? bars(rows, cost, paint) : { visible: false },
    error_y: large ? bars(rows, value, paint) : { visible: false },
    customdata: rows.map((row) => row.place),
    hoverinfo: 'text',
    hovertext: rows.map(hover),
  };
}

function shortened(text) {
  return text.length > 26 ? `${text.slice(0, 25)}…` : text;
}

// Labels of neighbours along the front stand on different sides.
function labelPlace(row) {
  const chosen = DATA.rows.filter((other) => other.series === row.series && other.budgets);
  chosen.sort((one, other) => one.macs - other.macs);
  return chosen.indexOf(row) % 2 ? 'top left' : 'bottom right';
}

function bars(rows, axisOf, paint) {
  const ends = rows.map((row) => axisOf.ends?.(row));
  if (!ends.some(Boolean)) return { visible: false };
  return {
    type: 'data', symmetric: false, thickness: 1.3, width: 3, color: paint,
    array: rows.map((row, i) => ends[i] ? ends[i][1] - axisOf.value(row) : 0),
    arrayminus: rows.map((row, i) => ends[i] ? axisOf.value(row) - ends[i][0] : 0),
  };
}

function ring(row, cost, value) {
  return {
    mode: 'markers', x: [cost.value(row)], y: [value.value(row)], hoverinfo: 'skip',
    marker: { symbol: 'circle-open', size: 22, line: { width: 2.5 }, color: colour('ink') },
  };
}

function budgetLine() {
  if (!STATE.budget || STATE.budget.cost !== STATE.cost) return [];
  const x = STATE.budget.value;
  return [{ type: 'line', xref: 'x', yref: 'paper', x0: x, x1: x, y0: 0, y1: 1, line: { color: colour('ink'), width: 1.2, dash: 'dot' } }];
}

function corner() {
  return {
    text: '↖ better', xref: 'paper', yref: 'paper', x: 0.01, y: 0.99, xanchor: 'left', yanchor: 'top', showarrow: false,
    font: { color: colour('muted') },
  };
}

function tradeoffNote(shown, placed, cost) {
  const failed = shown.filter((row) => row.status === 'failed' && !placed.includes(row)).length;
  const parts = [`${placed.length.toLocaleString('en')} of ${plural(DATA.rows.length, 'network')} are on these axes`];
  if (failed) parts.push(`${plural(failed, 'failed one')} ${failed === 1 ? 'has' : 'have'} no ${cost.name.toLowerCase()}`);
  if (DATA.all_rows > DATA.rows.length) {
    parts.push(`of ${DATA.all_rows.toLocaleString('en')} in tradeoff.csv the plainest candidates were thinned`);
  }
  return `${parts.join('; ')}. Large markers are selected subnets with their budgets and 95% intervals, small ones candidates, `
    + 'hollow ones predicted or estimated, hollow with a dot noisy, with a cross throttled, an x failed. Lines are fronts. Click a large marker to see that subnet.';
}
