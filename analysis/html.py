"""One self-contained page: what was run, the verdicts first, then tables and figures. It asks for nothing outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib import resources

from analysis import formats
from analysis.baseline_rows import baseline_tables
from analysis.convergence_rows import convergence_tables
from analysis.fault_tables import faults_table
from analysis.figure import INK, Figure
from analysis.figures import figures
from analysis.invalid_rows import invalid_table
from analysis.path_tables import paths_table
from analysis.selftest_cited import citation
from analysis.starvation_rows import starvation_table
from analysis.summary import Summary, every_trial
from analysis.sweep_rows import sweep_table
from analysis.tables import Row, Table, tables
from analysis.verdicts import Verdict
from analysis.waiting_tables import waiting_tables

TEMPLATE = "report_template"
# tables to look something up in: they come after all that has a finding
LOOKED_UP = ("links", "declared", "clocks", "paths", "trials", "glossary")
UNITS = re.compile(r"(\d) (%|s|ms|µs|GB|MB|kB|Mbit/s)(?![\w])")
SYMBOLS = re.compile(r"\bt_(tr|ts|a|d|r|u|v)\b")
_TITLES = {"unfit": "unfit", "warn": "warn", "info": "info"}


def page(summary: Summary, *, title: str = "Where the time of federated learning goes") -> str:
    """The whole of report.html; the same summary gives the same bytes."""
    drawn, made = figures(summary), tables(summary)
    made += [table for table in (starvation_table(summary.measured),) if table.rows]
    if summary.measured.sweep:
        made.append(sweep_table(summary.measured))
    made += convergence_tables(summary.measured)
    made += waiting_tables(summary)
    made += baseline_tables(summary.baseline, summary.trials) if summary.baseline else []
    made += [table for table in (invalid_table(every_trial(summary)),) if table.rows]
    made += [table for table in (faults_table(every_trial(summary)),) if table.rows]
    made += [table for table in (paths_table(every_trial(summary)),) if table.rows]
    made.sort(key=lambda table: LOOKED_UP.index(table.name) if table.name in LOOKED_UP else -1)
    parts = {
        "title": escape(title),
        "style": _template("style.css"),
        "body": "\n".join(_body(summary, title, drawn, made)),
        "data": _json_in_html([asdict(figure) for figure in drawn]),
        "plotly": _plotly(),
        "script": _template("report.js"),
    }
    text = _template("page.html")
    for name, value in parts.items():
        before, mark, after = text.partition("{{" + name + "}}")
        assert mark, name
        text = before + value + after
    return text


def _body(summary: Summary, title: str, drawn: Sequence[Figure], made: Sequence[Table]) -> Iterable[str]:
    yield f"<header>\n<h1>{escape(title)}</h1>\n<p class='facts'>{escape(what_was_run(summary))}</p>\n</header>"
    yield _verdicts(summary.verdicts)
    if summary.selftest is not None:
        yield f"<p class='note'>{escape(citation(summary.selftest))}</p>"
    front = [table for table in made if table.front]
    yield from (_table(table) for table in front)
    if drawn:
        yield "<h2>Figures</h2>\n<noscript><p>Figures need JavaScript; the tables hold their numbers.</p></noscript>"
        yield from _figures(drawn)
    yield from (_table(table) for table in made if not table.front)
    revision = ", ".join(f"{name} {value}" for name, value in summary.revision.items())
    yield f"<h2>Made by</h2>\n<p class='note'>{escape(revision)}. Every number: summary.json beside this page.</p>"


def what_was_run(summary: Summary) -> str:
    """One line of facts: trials, rounds, networks, clients, model, and the kind of the intervals."""
    measured = summary.measured
    rounds = sum(of.complete for of in measured.rounds.values())
    compared = sum(measured.trials.values())
    nodes = {message.node for trial in summary.trials for message in trial.messages}
    sizes = {
        (transfer.payload_bytes, transfer.objects)
        for trial in summary.trials
        for message in trial.messages
        for transfer in [message.uplink]
        if transfer is not None and message.function == "train"
    }
    facts = [
        formats.count(compared, "trial"),
        f"{formats.count(rounds, 'complete round')}",
        formats.listed(measured.interfaces) if measured.interfaces else "no interface",
        formats.count(len(nodes), "client"),
    ]
    if sizes:
        payload, objects = max(sizes)
        facts.append(f"{formats.megabytes(payload)} up in {formats.count(objects, 'object')}")
    left_out = len(summary.trials) - compared
    if left_out:
        facts.append(f"{formats.count(left_out, 'trial')} left out")
    return " · ".join([*facts, f"{measured.kind} intervals"])


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        items = "<li class='good'><span class='severity'>good</span><span>Nothing to object to.</span></li>"
    else:
        items = "\n".join(
            f"<li class='{verdict.severity}'><span class='severity'>{_TITLES[verdict.severity]}</span>"
            f"<span>{_prose(verdict.finding)} <span class='next'>{_prose(verdict.next_step)}</span></span></li>"
            for verdict in verdicts
        )
    return f"<section id='verdicts' aria-label='Verdicts'>\n<ul class='verdicts'>\n{items}\n</ul>\n</section>"


def _figures(drawn: Sequence[Figure]) -> Iterable[str]:
    halves = [figure for figure in drawn if figure.half]
    for figure in drawn:
        if figure.half and figure is halves[0]:
            yield "<div class='pair'>\n" + "\n".join(_figure(half) for half in halves) + "\n</div>"
        elif not figure.half:
            yield _figure(figure)


def _figure(figure: Figure) -> str:
    key = "".join(f"<li><i{_swatch(colour)}></i>{escape(name)}</li>" for colour, name in figure.key)
    choice = ""
    if figure.rounds:
        options = "".join(
            f"<option value='{place}'>{escape(str(of['label']))}</option>" for place, of in enumerate(figure.rounds)
        )
        choice = f"<label class='choice'>Round <select data-figure='{figure.name}'>{options}</select></label>"
    return (
        f"<figure id='figure-{figure.name}'>\n<h3>{escape(figure.title)}</h3>\n"
        f"<figcaption>{_prose(figure.caption)}</figcaption>\n{choice}<ul class='key' aria-hidden='true'>{key}</ul>\n"
        f"<div class='plot' id='plot-{figure.name}' role='img' aria-label='{escape(figure.words, quote=True)}' "
        f"style='min-height:{figure.height}px'></div>\n</figure>"
    )


def _swatch(colour: str) -> str:
    return " class='mark' style='background:var(--ink)'" if colour == INK else f" style='background:{colour}'"


def _table(table: Table) -> str:
    head = "".join(
        f"<th scope='col'{_number(place in table.numbers)}>{escape(name)}</th>"
        for place, name in enumerate(table.head)
    )
    rows = "\n".join(_row(table, row) for row in table.rows)
    note = f"<p class='note'>{_prose(table.note)}</p>\n" if table.note else ""
    after = f"\n<p class='note'>{_prose(table.after)}</p>" if table.after else ""
    return (
        f"<section id='table-{table.name}'>\n<h2>{escape(table.title)}</h2>\n{note}<div class='scroll'><table>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>{after}\n</section>"
    )


def _row(table: Table, row: Row) -> str:
    cells = []
    for place, cell in enumerate(row.cells):
        tag = "th scope='row'" if place == 0 else "td"
        kind = _number(place in table.numbers) or (" class='words'" if len(cell) > 40 else "")
        cells.append(f"<{tag}{kind}>{_cell(cell)}</{tag.partition(' ')[0]}>")
    return f"<tr{f' class={row.look!r}' if row.look else ''}>{''.join(cells)}</tr>"


def _cell(text: str) -> str:
    """A cell's words; what follows a line break is set small below them."""
    first, mark, rest = text.partition("\n")
    return _prose(first) + (f"<br><span class='small'>{_prose(rest)}</span>" if mark else "")


def _prose(text: str) -> str:
    """Escaped text with the paper's symbols as symbols, and numbers that stay beside their units."""
    return UNITS.sub(r"\1&nbsp;\2", SYMBOLS.sub(r"<i>t</i><sub>\1</sub>", escape(text)))


def _number(is_number: bool) -> str:
    return " class='number'" if is_number else ""


def _json_in_html(value: object) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c")


def _template(name: str) -> str:
    return resources.files("analysis").joinpath(TEMPLATE, name).read_text(encoding="utf-8").rstrip("\n")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script = str(get_plotlyjs())
    assert "</script" not in script.lower(), "plotly.js would end the element that holds it"
    return script
