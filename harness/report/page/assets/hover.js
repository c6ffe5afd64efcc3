// What is known of a row, as the lines of a hover label.

function facts(row) {
  const cost = COSTS.latency.value(row);
  const ends = COSTS.latency.ends(row);
  const interval = ends ? ` (${digits(ends[0])}–${digits(ends[1])})` : ` (${row.source})`;
  return {
    Latency: cost === undefined ? undefined : `${digits(cost)} ${UNIT.name}${interval}`,
    'Multiply-adds': `${count(row.macs)} (${percent(row.share)} of full)`,
    Memory: row.mb === undefined ? undefined : `${digits(row.mb)} MB`,
    Energy: row.mj === undefined ? undefined : `${digits(row.mj)} mJ`,
    UPEM: row.upem === undefined ? undefined : row.upem.toFixed(4),
    Accuracy: row.accuracy === undefined ? undefined : `${percent(row.accuracy)} (${percent(row.worst)}–${percent(row.best)})`,
    Agreement: row.agreement === undefined ? undefined : percent(row.agreement),
    'Within budget': row.within,
    Status: row.status === 'ok' ? undefined : `${row.status}: ${row.reason}`,
  };
}

function hover(row) {
  const known = Object.entries(facts(row)).filter(([, text]) => text !== undefined);
  const title = [row.name ?? row.id, ...(row.budgets ? [row.budgets.join(', ')] : [])].join(' · ');
  const lines = [row.series, row.widths, ...known.map(([name, text]) => `${name} ${text}`)];
  const cut = lines.map((line) => escaped(line.length > 90 ? `${line.slice(0, 89)}…` : line));
  return [`<b>${escaped(title)}</b>`, ...cut].join('<br>');
}
