// Which devices, precisions, search methods and kinds of rows are drawn.

function fillSeries() {
  const groups = GROUPS.map((group) => ({ ...group, found: [...new Set(DATA.rows.map(group.of))] }));
  document.getElementById('series').replaceChildren(...groups.map(fieldset));
}

function fieldset(group) {
  return element('fieldset', {}, element('legend', {}, group.title), ...group.found.map((own) => toggle(group, own)));
}

function toggle(group, own) {
  const box = element('input', { type: 'checkbox', checked: true });
  box.addEventListener('change', () => {
    STATE.hidden[box.checked ? 'delete' : 'add'](`${group.title}/${own}`);
    drawTradeoff();
  });
  return element('label', {}, box, ...swatches(group, own), group.word(own));
}

// The symbols of the series that a device or a precision is drawn with.
function swatches(group, own) {
  if (group.title !== 'Devices' && group.title !== 'Precisions') return [];
  const name = group.title === 'Devices' ? 'device' : 'form';
  const alike = DATA.series.map((series, place) => ({ series, place })).filter(({ series }) => series[name] === own);
  if (new Set(alike.map(({ place }) => place)).size > 4) return [];
  return alike.map(({ place }) => swatch(place));
}

const OUTLINES = {
  circle: 'M8 2a6 6 0 1 0 .01 0z', square: 'M3 3h10v10H3z', diamond: 'M8 1l7 7-7 7-7-7z', 'triangle-up': 'M8 2l7 12H1z',
  'triangle-down': 'M8 14L1 2h14z', pentagon: 'M8 1l7 5-3 9H4L1 6z', hexagon2: 'M1 8l3-6h8l3 6-3 6H4z',
  'star-square': 'M1 1l7 3 7-3-3 7 3 7-7-3-7 3 3-7z',
};

function swatch(place) {
  const space = 'http://www.w3.org/2000/svg';
  const drawing = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  drawing.setAttribute('class', 'swatch');
  drawing.setAttribute('viewBox', '0 0 16 16');
  drawing.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', OUTLINES[look(place).symbol]);
  path.style.fill = `var(--series-${place % 8})`;
  drawing.append(path);
  return drawing;
}
