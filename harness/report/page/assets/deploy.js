// The budget control: it names the subnet to deploy. Only selected subnets have a file, so only they are named.

const CONTROL = {};

function selectedRows(series) {
  return DATA.rows.filter((row) => row.series === series && row.budgets);
}

function deployable(series) {
  return selectedRows(series).filter((row) => row.status !== 'failed' && row.upem !== undefined);
}

// What counts against a budget: the upper end of the interval, where there is one.
function counted(row, cost) {
  const ends = cost.ends?.(row);
  return ends ? ends[1] : cost.value(row);
}

function fillDeploy() {
  const places = DATA.series.map((series) => series.name).filter((name) => selectedRows(name).length);
  if (!places.length) {
    document.getElementById('deploy-controls').append(element('p', {}, 'No subnet was selected in this run.'));
    return;
  }
  CONTROL.series = options(element('select', { id: 'deploy-series' }), places.map((name) => [name, name]));
  CONTROL.asked = element('select', { id: 'deploy-asked' });
  CONTROL.cost = element('select', { id: 'deploy-cost' });
  CONTROL.slider = element('input', { id: 'deploy-slider', type: 'range', min: 0, max: 1000, step: 1, 'aria-label': 'Budget' });
  CONTROL.number = element('input', { id: 'deploy-number', type: 'number', min: 0, step: 'any' });
  CONTROL.unit = element('output', {});
  document.getElementById('deploy-controls').append(
    labelled('Device', CONTROL.series),
    labelled('A budget of this run', CONTROL.asked),
    labelled('or a budget on', CONTROL.cost),
    element('div', { class: 'limit' }, labelled('At most', CONTROL.number), CONTROL.unit),
    CONTROL.slider,
  );
  CONTROL.series.addEventListener('change', takeSeries);
  CONTROL.asked.addEventListener('change', takeAsked);
  CONTROL.cost.addEventListener('change', () => { setRange(); takeNumber(); });
  CONTROL.number.addEventListener('input', takeNumber);
  CONTROL.slider.addEventListener('input', takeSlider);
  takeSeries();
}

function takeSeries() {
  const rows = selectedRows(CONTROL.series.value);
  const asked = rows.flatMap((row) => row.budgets.map((budget) => [`${row.place}/${budget}`, budget]));
  asked.sort((one, other) => DATA.rows[parseInt(other[0], 10)].macs - DATA.rows[parseInt(one[0], 10)].macs);
  const costs = Object.keys(COSTS).filter((key) => deployable(CONTROL.series.value).some((row) => COSTS[key].value(row) > 0));
  options(CONTROL.asked, costs.length ? [...asked, ['', 'my own, below']] : asked);
  options(CONTROL.cost, costs.map((key) => [key, `${COSTS[key].name}, ${COSTS[key].unit}`]));
  for (const control of [CONTROL.cost, CONTROL.number, CONTROL.slider]) control.disabled = !costs.length;
  CONTROL.asked.selectedIndex = Math.floor((asked.length - 1) / 2);
  takeAsked();
  drawHistory(CONTROL.series.value);
}

// A budget of the run has the run's own answer; its number is shown where it is a single limit.
function takeAsked() {
  const chosen = CONTROL.asked.value;
  if (!chosen) {
    takeNumber();
    return;
  }
  const place = parseInt(chosen, 10);
  const budget = chosen.slice(chosen.indexOf('/') + 1);
  const single = limitOf(budget);
  if (single) {
    CONTROL.cost.value = single.cost;
    setRange();
    setNumber(single.value);
  } else {
    setRange();
  }
  name(DATA.rows[place], single, `It is what the run chose for ${budget}.`);
}

// `1/64`, `10ms`, `30MB`: null for what is joint or not on any axis here.
function limitOf(budget) {
  const match = /^([0-9.]+)(?:\/([0-9]+))?([A-Za-z-]*)$/.exec(budget);
  if (!match) return null;
  const number = Number(match[1]) / Number(match[2] ?? 1);
  const cost = [...CONTROL.cost.options].map((option) => option.value).find((key) => COSTS[key].limit === match[3]);
  return cost && number > 0 ? { cost, value: number * COSTS[cost].scale } : null;
}

function setRange() {
  if (!CONTROL.cost.value) {
    CONTROL.number.value = CONTROL.unit.textContent = '';
    return;
  }
  const cost = COSTS[CONTROL.cost.value];
  const values = deployable(CONTROL.series.value).map((row) => counted(row, cost)).filter((value) => value > 0);
  CONTROL.low = 0.9 * Math.min(...values);
  CONTROL.high = 1.1 * Math.max(...values);
  CONTROL.unit.textContent = cost.unit;
  if (!(Number(CONTROL.number.value) >= CONTROL.low && Number(CONTROL.number.value) <= CONTROL.high)) {
    setNumber(CONTROL.high);
  }
}

function setNumber(value) {
  CONTROL.number.value = String(Number(value.toPrecision(4)));
  const share = Math.log(value / CONTROL.low) / Math.log(CONTROL.high / CONTROL.low);
  CONTROL.slider.value = String(Math.round(1000 * share));
  CONTROL.slider.setAttribute('aria-valuetext', `${CONTROL.number.value} ${CONTROL.unit.textContent}`);
}

function takeSlider() {
  const share = Number(CONTROL.slider.value) / 1000;
  setNumber(CONTROL.low * (CONTROL.high / CONTROL.low) ** share);
  CONTROL.asked.value = '';
  answer();
}

function takeNumber() {
  const value = Number(CONTROL.number.value);
  CONTROL.asked.value = '';
  if (!(value > 0)) {
    tell(element('p', { class: 'warn' }, 'Type a number above zero.'));
    return;
  }
  const share = Math.log(value / CONTROL.low) / Math.log(CONTROL.high / CONTROL.low);
  CONTROL.slider.value = String(Math.round(1000 * share));
  answer();
}

function answer() {
  const key = CONTROL.cost.value;
  const cost = COSTS[key];
  const limit = Number(CONTROL.number.value);
  const able = deployable(CONTROL.series.value).filter((row) => counted(row, cost) <= limit);
  const best = able.sort((one, other) => one.upem - other.upem || counted(one, cost) - counted(other, cost))[0];
  const budget = { cost: key, value: limit };
  if (best) {
    name(best, budget, 'It has the lowest UPEM of the exported subnets within it, by the upper bound of its cost.', better(best, cost, limit));
    return;
  }
  const cheapest = deployable(CONTROL.series.value).sort((one, other) => counted(one, cost) - counted(other, cost))[0];
  STATE.budget = budget;
  tell(element('p', { class: 'warn' }, cheapest
    ? `No exported subnet is within ${digits(limit)} ${cost.unit}; the cheapest takes ${digits(counted(cheapest, cost))}.`
    : 'No subnet of this device can be deployed.'));
  drawTradeoff();
}

// A candidate that was never exported may lose less: the reader is told how to get it.
function better(best, cost, limit) {
  const known = DATA.rows.filter((row) => row.series === best.series && !row.budgets && row.name === undefined
    && row.status !== 'failed' && row.upem < best.upem && counted(row, cost) <= limit);
  const found = known.sort((one, other) => one.upem - other.upem)[0];
  if (!found) return null;
  const asked = Number((limit / cost.scale).toPrecision(4));
  return element('p', {},
    `Not exported, but known: ${found.id}, UPEM ${found.upem.toFixed(4)}, ${digits(cost.value(found))} ${cost.unit}`
    + `${cost === COSTS.latency ? ` (${found.source})` : ''}. To have it verified: `,
    element('code', {}, `python benchmark.py search --run THIS_FOLDER --${cost.option} ${asked} --measure`));
}

function name(row, budget, why, more = null) {
  STATE.named = row.place;
  STATE.budget = budget;
  const known = Object.entries(facts(row)).filter(([, text]) => text !== undefined);
  const list = element('dl', {}, ...known.flatMap(([term, text]) => [
    element('dt', {}, term), element('dd', { class: term === 'Status' ? 'warn' : undefined }, text),
  ]));
  tell(
    element('div', { class: 'named', id: 'named' }, row.id),
    element('p', {}, why),
    row.status === 'failed' ? element('p', { class: 'failed' }, 'It failed on this device: do not deploy it.') : null,
    element('p', {}, 'File: ', element('a', { href: row.file, id: 'onnx' }, row.file.replace('subnets/', ''))),
    list,
    more,
  );
  drawTradeoff();
  drawSubnet(row);
}

function tell(...children) {
  document.getElementById('deployed').replaceChildren(...children.filter(Boolean));
}

function deployClicked(event) {
  const row = DATA.rows[event.points[0]?.customdata];
  if (!row?.budgets) return;
  if (CONTROL.series.value !== row.series) {
    CONTROL.series.value = row.series;
    takeSeries();
  }
  CONTROL.asked.value = `${row.place}/${row.budgets[0]}`;
  takeAsked();
}
