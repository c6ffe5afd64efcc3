// The run's data, what the reader has chosen of it, and the axes there is something to show on.

const DATA = JSON.parse(document.getElementById('data').textContent);
DATA.rows.forEach((row, place) => { row.place = place; });

const KINDS = {
  measured: 'measured', noisy: 'noisy', throttled: 'throttled', predicted: 'predicted', estimated: 'estimated',
  unmeasured: 'not measured', failed: 'failed',
};
const UNIT = timeUnit(DATA.rows.map((row) => row.ms).filter((ms) => ms !== undefined));

function kind(row) {
  return row.status !== 'ok' ? row.status : row.source ?? 'unmeasured';
}

// Each cost: a row's value in the unit shown, the ends of its interval, and what counts against a budget.
const COSTS = {
  latency: {
    name: 'Latency', unit: UNIT.name, scale: UNIT.perMs, option: 'latency-ms', limit: 'ms',
    value: (row) => row.ms && row.ms * UNIT.perMs,
    ends: (row) => row.low && [row.low * UNIT.perMs, row.high * UNIT.perMs],
    title: latencyTitle,
  },
  macs: {
    name: 'Multiply-adds', unit: '% of full', scale: 100, option: 'budgets', limit: '',
    value: (row) => 100 * row.share, title: () => 'Multiply-adds, % of the full network',
  },
  memory: {
    name: 'Memory', unit: 'MB', scale: 1, option: 'memory-mb', limit: 'MB',
    value: (row) => row.mb, title: () => 'Measured peak memory, MB',
  },
  size: {
    name: 'Model file', unit: 'MB', scale: 1, option: 'model-mb', limit: 'MB-model',
    value: (row) => row.bytes && row.bytes / 1e6, title: () => 'Model file, MB',
  },
  energy: {
    name: 'Energy', unit: 'mJ', scale: 1, option: 'energy-mj', limit: 'mJ',
    value: (row) => row.mj, title: () => 'Measured energy of an inference, mJ',
  },
};
const VALUES = {
  upem: { name: 'UPEM', value: (row) => row.upem, title: 'UPEM (lower is better)' },
  accuracy: {
    name: 'Accuracy',
    value: (row) => row.accuracy === undefined ? undefined : 100 * row.accuracy,
    ends: (row) => row.worst === undefined ? undefined : [100 * row.worst, 100 * row.best],
    title: 'Target accuracy, %',
  },
};

function latencyTitle(rows) {
  const sources = [...new Set(rows.filter((row) => row.ms !== undefined).map((row) => row.source))];
  return `Median latency, ${UNIT.name} (${sources.join(', ')})`;
}

function available(axes) {
  return Object.keys(axes).filter((key) => DATA.rows.some((row) => axes[key].value(row) > 0));
}

const STATE = {
  cost: available(COSTS)[0] ?? 'macs',
  value: available(VALUES)[0] ?? 'upem',
  hidden: new Set(),
  named: null,
  budget: null,
};

// What a reader can hide rows by.
const GROUPS = [
  { title: 'Devices', of: (row) => DATA.series[seriesPlace(row.series)].device, word: String },
  { title: 'Precisions', of: (row) => DATA.series[seriesPlace(row.series)].form, word: String },
  { title: 'Found by', of: (row) => row.name !== undefined ? 'baseline' : row.by ?? 'none', word: (by) => by === 'none' ? 'measured to fit the cost model' : by },
  { title: 'Kinds', of: kind, word: (own) => KINDS[own] },
];

const PLACES = new Map(DATA.series.map((series, place) => [series.name, place]));

function seriesPlace(name) {
  return PLACES.get(name);
}

function visible(row) {
  return !GROUPS.some((group) => STATE.hidden.has(`${group.title}/${group.of(row)}`));
}
