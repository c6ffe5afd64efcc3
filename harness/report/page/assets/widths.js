// The named subnet: its widths beside the full network's, and what was measured of it.

function drawSubnet(row) {
  document.getElementById('subnet-name').textContent = `${row.id} on ${row.series}, for ${row.budgets.join(', ')}`;
  const widths = row.widths.split('-').map(Number);
  const known = DATA.layers.length === widths.length;
  show('widths-figure', known);
  if (known) drawWidths(widths, row);
  drawTiming(DATA.timing[row.place]);
}

function drawWidths(widths, row) {
  const names = DATA.layers.map((layer) => escaped(layer.name));
  const short = new Map(names.map((long, place) => [place, layerName(long)]));
  const places = widths.map((_, place) => place);
  const own = look(seriesPlace(row.series)).colour;
  const text = widths.map((width, place) => `${names[place]}<br>${width} of ${DATA.layers[place].full} channels`);
  const few = widths.length <= 16;
  const bar = { type: 'bar', x: places, hoverinfo: 'text', hovertext: text };
  draw('widths', [
    { ...bar, y: DATA.layers.map((layer) => layer.full), marker: { color: colour('full') }, width: 0.8 },
    {
      ...bar, y: widths, marker: { color: own }, width: few ? 0.56 : 0.8,
      text: few ? widths.map(String) : undefined, textposition: 'outside', textfont: { color: colour('ink'), size: 11 },
    },
  ], {
    barmode: 'overlay',
    xaxis: axis('', {
      tickvals: places, ticktext: places.map((place) => few || place % 4 === 0 ? short.get(place) : ''), tickangle: -40, ticks: '',
    }),
    yaxis: axis('Channels', { rangemode: 'tozero' }),
    margin: { l: 60, r: 12, t: 12, b: 70 },
  });
}

function layerName(long) {
  return long.replace('stage', 's').replace('.block', '.b').replace('.inner', '.in');
}
