// Raw samples of the named subnet: their distribution, and its rounds beside the anchor's.

function drawTiming(timing) {
  show('distribution-figure', Boolean(timing));
  show('rounds-figure', Boolean(timing));
  if (!timing) return;
  drawDistribution(timing.histogram);
  drawRounds(timing);
}

function drawDistribution(found) {
  const edges = found.edges.map((edge) => edge * UNIT.perMs);
  const middles = found.counts.map((_, i) => Math.sqrt(edges[i] * edges[i + 1]));
  const widths = found.counts.map((_, i) => edges[i + 1] - edges[i]);
  const median = found.median * UNIT.perMs;
  draw('distribution', [{
    type: 'bar', x: middles, y: found.counts, width: widths, marker: { color: colour('own'), line: { width: 0 } },
    hoverinfo: 'text',
    hovertext: found.counts.map((own, i) => `${digits(edges[i], 4)}–${digits(edges[i + 1], 4)} ${UNIT.name}<br>${plural(own, 'sample')}`),
  }], {
    bargap: 0,
    xaxis: logAxis(`Latency, ${UNIT.name}`, [edges[0], edges.at(-1)]),
    yaxis: axis('Samples', { rangemode: 'tozero' }),
    shapes: [{ type: 'line', x0: median, x1: median, yref: 'paper', y0: 0, y1: 1, line: { color: colour('ink'), dash: 'dot', width: 1.3 } }],
    annotations: [{
      x: Math.log10(median), yref: 'paper', y: 1, text: `median of all ${digits(median)}`, showarrow: false, xanchor: 'left', xshift: 4, yanchor: 'top',
      font: { color: colour('ink') },
    }],
  });
  const beyond = found.beyond
    ? `; ${found.beyond.toLocaleString('en')} slower ones are beyond the right edge, up to ${digits(found.most * UNIT.perMs)} ${UNIT.name}` : '';
  document.getElementById('distribution-caption').textContent = `Distribution of all ${plural(found.samples, 'raw sample')}${beyond}`;
}

function drawRounds(timing) {
  const scaled = (values) => values.map((value) => value === null ? null : value * UNIT.perMs);
  const [own, anchor] = [scaled(timing.medians), scaled(timing.anchor)];
  const rounds = own.map((_, i) => i + 0.5);
  const ratios = own.map((value, i) => anchor[i] === null ? null : value / anchor[i]);
  const middle = median(ratios);
  const drift = ratios.map((ratio) => ratio === null ? null : 100 * (ratio / middle - 1));
  const line = (y, name, paint, mark) => ({
    mode: 'lines+markers', x: rounds, y, name, line: { color: paint, width: 1.2 }, marker: { symbol: mark, size: 4, color: paint },
    hovertemplate: `round %{x:.0f}, ${name} %{y:.4~g} ${UNIT.name}<extra></extra>`,
  });
  const known = [...own, ...anchor].filter((value) => value !== null);
  draw('rounds', [
    {
      mode: 'markers', x: timing.dots.round, y: scaled(timing.dots.ms), name: 'single samples', hoverinfo: 'skip',
      marker: { color: colour('own'), size: 3, opacity: 0.35 },
    },
    line(own, 'subnet, median of a round', colour('own'), 'circle'),
    line(anchor, 'anchor, median of a round', colour('series-1'), 'square'),
    { mode: 'lines', x: rounds, y: drift, yaxis: 'y2', name: 'drift', showlegend: false, line: { color: colour('series-2'), width: 1.4 },
      hovertemplate: 'round %{x:.0f}: %{y:+.1f}%<extra></extra>' },
  ], {
    showlegend: true,
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
    margin: { l: 66, r: 16, t: 34, b: 44 },
    xaxis: axis('Round (dotted: a new process)', { range: [0, rounds.length], anchor: 'y2', zeroline: false }),
    yaxis: logAxis(UNIT.name, known, { domain: [0.42, 1] }),
    yaxis2: axis('Drift, %', { domain: [0, 0.32], zeroline: true }),
    shapes: boundaries(timing.process),
  });
  const dots = timing.every === 1 ? 'All single samples are drawn'
    : `Every ${timing.every}${['th', 'st', 'nd', 'rd'][timing.every < 4 ? timing.every : 0]} single sample is drawn, the medians are of all`;
  document.getElementById('rounds-caption').textContent = `Its rounds, beside the anchor's in the same rounds, and below the drift of `
    + `their ratio from its median. ${dots}; ${plural(timing.ended.length, 'process', 'processes')}, from ${moment(timing.ended[0])}.`;
}

function median(values) {
  const known = values.filter((value) => value !== null).sort((one, other) => one - other);
  return known.length ? known[Math.floor(known.length / 2)] : 1;
}

function boundaries(process) {
  return process.flatMap((own, place) => place && own !== process[place - 1]
    ? [{ type: 'line', yref: 'paper', x0: place, x1: place, y0: 0, y1: 1, line: { color: colour('line'), dash: 'dot', width: 1 } }] : []);
}

function moment(text) {
  return `${text.slice(0, 16).replace('T', ' ')} UTC`;
}
