// Puts the page together, and draws it anew when light turns to dark or the page goes to paper.

function fillAxes(id, axes, key) {
  const select = options(document.getElementById(id), available(axes).map((own) => [own, axes[own].name]));
  select.value = STATE[key];
  select.disabled = select.options.length < 2;
  select.addEventListener('change', () => { STATE[key] = select.value; drawTradeoff(); });
}

function drawAll() {
  drawTradeoff();
  if (STATE.named !== null) drawSubnet(DATA.rows[STATE.named]);
  if (CONTROL.series) drawHistory(CONTROL.series.value);
  drawCosts();
  drawCorrelation();
}

fillAxes('cost-axis', COSTS, 'cost');
fillAxes('value-axis', VALUES, 'value');
fillSeries();
show('subnet', DATA.rows.some((row) => row.budgets));
show('history-section', false);
show('comparisons', document.getElementById('comparisons').children.length > 0);
fillDeploy();
drawAll();
document.getElementById('tradeoff').on('plotly_click', deployClicked);
onTheme(drawAll);
