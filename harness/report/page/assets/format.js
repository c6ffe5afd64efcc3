// Numbers and text as people read them; Plotly's own markup needs text escaped.

function escaped(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function digits(value, significant = 3) {
  if (value === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(significant)))));
  return value.toFixed(Math.min(12, Math.max(0, significant - 1 - size)));
}

function count(value) {
  for (const [size, prefix] of [[1e9, ' G'], [1e6, ' M'], [1e3, ' k']]) {
    if (value >= 0.9995 * size) return digits(value / size) + prefix;
  }
  return String(Math.round(value));
}

function percent(share) {
  return share >= 1 ? `${Math.round(100 * share)}%` : `${Math.min(100 * share, 99.9).toFixed(1)}%`;
}

function timeUnit(milliseconds) {
  const logs = milliseconds.filter((ms) => ms > 0).map(Math.log10);
  const middle = logs.length ? (Math.min(...logs) + Math.max(...logs)) / 2 : 0;
  if (middle < 0) return { name: 'µs', perMs: 1e3 };
  return middle < 3 ? { name: 'ms', perMs: 1 } : { name: 's', perMs: 1e-3 };
}

function plural(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

// A new element; everything in it is set as text, never as markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function labelled(text, control) {
  return element('label', {}, `${text} `, control);
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => element('option', { value }, text)));
  return select;
}
