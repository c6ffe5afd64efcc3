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
  const range = valueRange(placed, value);
  draw('tradeoff', traces, {
    xaxis: logAxis(cost.title(placed), placed.flatMap((row) => [cost.value(row), ...(row.budgets && cost.ends?.(row) || [])])),
    yaxis: axis(value.title, { range }),
    shapes: budgetLine(),
    annotations: [corner(), ...budgetLabels(placed, cost, value)],
  });
  const beyond = placed.filter((row) => !between(value.value(row), range)).length;
  document.getElementById('tradeoff-note').textContent = tradeoffNote(shown, placed, beyond, cost);
}

// Better is up. The worst few candidates would squeeze all others together, and stay outside.
function valueRange(rows, value) {
  if (!rows.length) return undefined;
  const all = rows.map(value.value).sort((one, other) => one - other);
  const large = rows.filter((row) => row.budgets || row.name).flatMap((row) => [value.value(row), ...(value.ends?.(row) || [])]);
  const [low, high] = STATE.value === 'upem'
    ? [all[0], Math.max(all[Math.floor(0.97 * (all.length - 1))], ...large)]
    : [Math.min(all[Math.floor(0.03 * (all.length - 1))], ...large), Math.max(all.at(-1), ...large)];
  const pad = 0.08 * (high - low || Math.abs(high) || 1);
  return STATE.value === 'upem' ? [high + pad, low - pad] : [low - pad, high + pad];
}

function between(value, range) {
  return !range || (value >= Math.min(...range) && value <= Math.max(...range));
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
    mode: 'markers',
    x: rows.map(cost.value),
    y: rows.map(value.value),
    opacity: large ? 1 : own === 'measured' ? 0.55 : 0.3,
    marker: {
      symbol: rows.map((row) => row.name === undefined ? symbol(base, own) : 'star'),
      size: large ? 12 : 6, color: paint, line: outline(own, large, paint),
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

// Filled markers of selected subnets have an edge that lifts them off the crowd; hollow ones are all edge.
function outline(own, large, paint) {
  if (own !== 'measured') return { color: paint, width: large ? 2.2 : 1.2 };
  return { color: colour('page'), width: large ? 1.5 : 0 };
}

// Labels stand on a ground of their own, neighbours along the cost on different sides.
function budgetLabels(placed, cost, value) {
  const large = placed.filter((row) => row.budgets || row.name).sort((one, other) => cost.value(one) - cost.value(other));
  return large.map((row, place) => {
    const above = place % 2 === 0;
    return {
      x: Math.log10(cost.value(row)), y: value.value(row), text: escaped(shortened(row.name ?? row.budgets.join(', '))),
      showarrow: false, bgcolor: colour('page'), opacity: 0.88, borderpad: 1,
      font: { color: look(seriesPlace(row.series)).colour, size: 12 },
      xanchor: above ? 'right' : 'left', xshift: above ? -8 : 8, yshift: above ? 14 : -14,
    };
  });
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

function tradeoffNote(shown, placed, beyond, cost) {
  const failed = shown.filter((row) => row.status === 'failed' && !placed.includes(row)).length;
  const parts = [`${placed.length.toLocaleString('en')} of ${plural(DATA.rows.length, 'network')} are on these axes`];
  if (beyond) parts[0] += `, ${beyond.toLocaleString('en')} of them beyond the lower edge (double-click shows all)`;
  if (failed) parts.push(`${plural(failed, 'failed one')} ${failed === 1 ? 'has' : 'have'} no ${cost.name.toLowerCase()}`);
  if (DATA.all_rows > DATA.rows.length) {
    parts.push(`of ${DATA.all_rows.toLocaleString('en')} in tradeoff.csv the plainest candidates were thinned`);
  }
  const stars = DATA.rows.some((row) => row.name !== undefined) ? ' Stars are baselines, networks of other families, which have no UPEM.' : '';
  return `${parts.join('; ')}. Large markers are selected subnets with their budgets and 95% intervals, small ones candidates, `
    + 'hollow ones predicted or estimated, hollow with a dot noisy, with a cross throttled, an x failed. Lines are fronts. Click a large marker to see that subnet.' + stars;
}
