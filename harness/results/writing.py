"""What a run has found out, written into its folder and told at the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.bank import ModelBank
from harness.costs import ComplexityCounter
from harness.measuring import save_measurements
from harness.report import (
    Row,
    closing_tables,
    comparison_table,
    cost_sentences,
    draw_tradeoff,
    mark_front,
    write_csv,
    write_page,
)
from harness.results.cards import write_cards
from harness.results.device_results import DeviceResults
from harness.results.page_facts import run_facts
from harness.results.rows import baseline_rows, rows_of
from harness.running import Run


def write_down(run: Run, bank: ModelBank, found: Mapping[str, DeviceResults]) -> None:
    """Write the rows and the measurements of the devices that are done, in the order they were asked for."""
    counter = ComplexityCounter(bank)
    done = [found[configuration.name] for configuration in run.configurations if configuration.name in found]
    passes = [record for results in done for record in results.passes]
    save_measurements([m for results in done for m in results.measurements], run.folder.measurements, passes)
    rows = [row for r in done for row in (*rows_of(r, bank, counter), *baseline_rows(r, counter))]
    write_csv(mark_front(rows), run.folder.tradeoff)
    write_cards(run.folder, rows)
    run.folder.record.comparisons = {results.name: results.comparisons for results in done}


def write_report(run: Run, rows: Sequence[Row], cautions: Sequence[str]) -> None:
    """Write the rows, draw them as picture and page, and end with tables and what the reader must be cautious of."""
    rows, names = mark_front(rows), run.baseline_names
    write_csv(rows, run.folder.tradeoff)
    write_cards(run.folder, rows)
    title = f"{run.domains.name}: what each budget costs"
    draw_tradeoff(rows, run.folder.picture, title=title, baselines=names)
    comparisons = {name: found for name, found in run.folder.record.comparisons.items() if found}
    models = run.cost_models
    write_page(
        rows,
        run.folder.page,
        title=title,
        facts=run_facts(run.folder, rows, [*run.folder.record.warnings, *cautions]),
        comparisons=comparisons,
        cost_models=models,
        baselines=names,
    )
    for table in closing_tables(rows, width=run.console.width, baselines=names):
        run.console.say(table)
    for name, found in comparisons.items():
        run.console.say(comparison_table(name, found))
    for name, model in models.items():
        for sentence in cost_sentences(name, model):
            run.console.say(sentence)
    for caution in cautions:
        run.console.warn(caution)
    run.console.say(f"explore {run.folder.page}; the files to deploy, each with a card, are in {run.folder.subnets}")
