// UPEM against accuracy, coloured by size.

function drawCorrelation() {
  if (!document.getElementById('correlation')) return;
  const rows = DATA.correlated.map((place) => DATA.rows[place]);
  const value = VALUES.accuracy;
  const sizes = rows.map((row) => Math.log10(row.share));
  draw('correlation', [{
    mode: 'markers', x: rows.map((row) => row.upem), y: rows.map(value.value),
    marker: {
      size: 10, symbol: rows.map((row) => row.budgets ? 'circle' : 'diamond'), color: sizes, colorscale: 'Viridis',
      cmin: Math.min(...sizes), cmax: Math.max(...sizes) || 0, line: { color: colour('ink'), width: 0.8 },
      colorbar: {
        title: { text: 'Multiply-adds, of the full network', side: 'right' }, thickness: 12, outlinewidth: 0,
        ...colourTicks(sizes),
      },
    },
    error_y: bars(rows, value, colour('muted')),
    hoverinfo: 'text', hovertext: rows.map(hover),
  }], {
    xaxis: axis('UPEM'), yaxis: axis('Target accuracy, %'),
  });
}

function colourTicks(sizes) {
  const powers = [0, 1, 2, 3, 4, 5, 6, 7, 8].filter((power) => power * Math.log10(0.5) >= Math.min(...sizes));
  return { tickvals: powers.map((power) => power * Math.log10(0.5)), ticktext: powers.map((power) => power ? `1/${2 ** power}` : '1') };
}
