// The device over the time of the run: the anchor, and what its sensors said, where it has any.

const QUANTITIES = [
  { key: 'anchor', title: `Anchor, ${UNIT.name}`, scale: UNIT.perMs },
  { key: 'cpu_mhz', title: 'CPU, MHz', scale: 1 },
  { key: 'gpu_mhz', title: 'GPU, MHz', scale: 1 },
  { key: 'hottest_c', title: 'Hottest, °C', scale: 1 },
  { key: 'power_w', title: 'Power, W', scale: 1 },
  { key: 'others_load', title: 'Others, %', scale: 100 },
];
const UNRECORDED = { cpu_mhz: 'CPU clock', hottest_c: 'temperature', power_w: 'power' };

function drawHistory(series) {
  const found = DATA.history[series];
  show('history-section', Boolean(found));
  if (!found) return;
  const there = QUANTITIES.filter((own) => found[own.key]);
  const share = 1 / there.length;
  const layout = {
    height: 60 + 120 * there.length,
    margin: { l: 70, r: 16, t: 10, b: 40 },
    xaxis: axis('', { type: 'date', anchor: there.length > 1 ? `y${there.length}` : 'y' }),
  };
  const traces = there.flatMap((own, place) => {
    const suffix = place ? String(place + 1) : '';
    const values = (found[own.key]).flat().filter((value) => value !== null);
    layout[`yaxis${suffix}`] = axis(own.title, {
      domain: [1 - (place + 1) * share + (place + 1 < there.length ? 0.03 : 0), 1 - place * share - 0.03], nticks: 4, ...steady(values, own.scale),
    });
    return quantityTraces(found, own, `y${suffix}`, place);
  });
  draw('history', traces, layout);
  document.getElementById('history-name').textContent = series;
  document.getElementById('history-note').textContent = historyNote(found);
}

// A constant is a flat line in the middle, not noise magnified.
function steady(values, scale) {
  const [low, high] = [Math.min(...values) * scale, Math.max(...values) * scale];
  return high - low > 0.02 * Math.abs(high) ? {} : { range: [0.9 * low, 1.1 * high || 1] };
}

function quantityTraces(found, own, yaxis, place) {
  const values = found[own.key];
  const paint = colour(`series-${place}`);
  const scaled = (of) => values.map((value) => value === null ? null : of(value) * own.scale);
  const ends = values.some((value) => Array.isArray(value));
  const line = (y, more) => ({
    mode: 'lines+markers', x: found.ended, y, yaxis, line: { color: paint, width: 1.1 }, marker: { size: 4, symbol: SYMBOLS[place], color: paint }, hovertemplate: '%{x|%H:%M:%S}  %{y:.4~g}<extra></extra>', ...more,
  });
  if (!ends) return [line(scaled(Number), {})];
  return [line(scaled((pair) => pair[0]), {}), line(scaled((pair) => pair[1]), { fill: 'tonexty', fillcolor: `${paint}33` })];
}

function historyNote(found) {
  const missing = Object.entries(UNRECORDED).filter(([key]) => !found[key] && !(key === 'cpu_mhz' && found.gpu_mhz));
  const thinned = found.every > 1 ? `one in ${found.every} of ` : '';
  const none = missing.length ? ` Not recorded, because this device does not tell: ${missing.map(([, own]) => own).join(', ')}.` : '';
  return `A point for ${thinned}${plural(found.processes, 'process', 'processes')} of measuring; bands reach from the lowest to the highest reading. `
    + `The anchor is the same network throughout, so what it does is the machine's doing.${none}`;
}
