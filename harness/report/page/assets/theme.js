// Light or dark as the reader's system has it, and light on paper; charts are drawn anew when that changes.

const SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'pentagon', 'hexagon2', 'star-square', 'triangle-down'];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// The colour and the symbol of a series: either tells it apart.
function look(place) {
  return { colour: colour(`series-${place % 8}`), symbol: SYMBOLS[(place + Math.floor(place / 8)) % SYMBOLS.length] };
}

function onTheme(redraw) {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  matchMedia('print').addEventListener('change', redraw);
}
