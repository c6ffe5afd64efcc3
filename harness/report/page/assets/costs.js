// The cost model: predicted latency, with its interval, against what was measured later.

function drawCosts() {
  if (!document.getElementById('cost-models')) return;
  const models = Object.entries(DATA.unseen);
  const all = models.flatMap(([, networks]) => networks.flatMap((own) => [own.measured, own.predicted, own.low, own.high]))
    .filter((ms) => ms !== null);
  show('cost-models', all.length > 0);
  if (!all.length) return;
  const unit = timeUnit(all);
  const reach = [Math.min(...all), Math.max(...all)].map((ms) => ms * unit.perMs);
  draw('cost-models', [
    { mode: 'lines', x: reach, y: reach, name: 'as measured', hoverinfo: 'skip', line: { color: colour('muted'), dash: 'dot', width: 1.2 } },
    ...models.map(([name, networks], place) => unseenTrace(name, networks, seriesPlace(name) ?? place, unit)),
  ], {
    showlegend: true,
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom' },
    margin: { l: 66, r: 16, t: 34, b: 48 },
    xaxis: logAxis(`Measured latency, ${unit.name}`, reach),
    yaxis: logAxis(`Predicted, with 95% interval, ${unit.name}`, reach),
  });
}

function unseenTrace(name, networks, place, unit) {
  const paint = look(place);
  const scaled = (of) => networks.map((own) => of(own) * unit.perMs);
  return {
    mode: 'markers', name: escaped(name), x: scaled((own) => own.measured), y: scaled((own) => own.predicted),
    marker: { color: paint.colour, symbol: paint.symbol, size: 8 },
    error_y: {
      type: 'data', symmetric: false, thickness: 1.2, width: 3, color: paint.colour,
      array: scaled((own) => (own.high === null ? 0 : own.high - own.predicted)),
      arrayminus: scaled((own) => (own.low === null ? 0 : own.predicted - own.low)),
    },
    hoverinfo: 'text',
    hovertext: networks.map((own) => [
      `<b>${escaped(name)}</b>`, own.widths, `measured ${digits(own.measured * unit.perMs)} ${unit.name}`,
      `predicted ${digits(own.predicted * unit.perMs)} (${own.high === null ? 'the interval excludes nothing'
        : `${digits(own.low * unit.perMs)}–${digits(own.high * unit.perMs)}`})`,
      `off by ${digits(100 * Math.abs(own.predicted / own.measured - 1), 2)}%`,
    ].join('<br>')),
  };
}
