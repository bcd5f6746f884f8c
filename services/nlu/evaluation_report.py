"""An evaluation as one page of HTML: the figures, a picture of what is taken for what, and the worst errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from services.nlu.corpus import OUT_OF_SCOPE
from services.nlu.scores import Judged, Scores

_MOST_INTENTS = 25  # in the picture: those with the most errors
_MOST_ERRORS = 50
_CELL, _NAME = 22, 230  # pixels
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse}td,th{padding:.25rem .8rem .25rem 0;text-align:left;vertical-align:top}
th{border-bottom:1px solid #aaa}.number{text-align:right}svg text{font:11px system-ui,sans-serif}"""


def write_report(file: Path, title: str, scores: Scores, judged: Sequence[Judged]) -> None:
    """Write the page to `file`."""
    wrong = sorted((one for one in judged if _error(one)), key=lambda one: -one.confidence)
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>
<h1>{escape(title)}</h1>
<p>{len(judged)} sentences, {len(wrong)} of them with an error.</p>
{_figures(scores)}
<h2>What is taken for what</h2>
{_confusion(judged)}
<h2>The worst errors</h2>
<p>Surest first: what the model was most certain of, and wrong.</p>
{_errors(wrong[:_MOST_ERRORS])}
</html>
"""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")


def _given(one: Judged) -> str:
    return OUT_OF_SCOPE if one.refused else one.intent


def _error(one: Judged) -> str:
    """What is wrong with it; empty for a sentence understood whole."""
    wanted = one.example.intent
    if wanted and _given(one) != wanted:
        return f"{wanted} taken for {_given(one)}"
    return "" if one.right_slots or wanted == OUT_OF_SCOPE else "slots"


def _figures(scores: Scores) -> str:
    rows = "".join(
        f'<tr><td>{name}</td><td class="number">{"not told by this data" if value is None else value}</td></tr>'
        for name, value in asdict(scores).items()
    )
    return f"<table><tr><th>figure</th><th>value</th></tr>{rows}</table>"


def _confusion(judged: Sequence[Judged]) -> str:
    """The confusion matrix of the intents with the most errors, as SVG: rows wanted, columns given."""
    pairs = Counter((one.example.intent, _given(one)) for one in judged if one.example.intent)
    mistakes: Counter[str] = Counter()
    for (wanted, given), count in pairs.items():
        if wanted != given:
            mistakes.update({wanted: count, given: count})
    names = sorted(name for name, _ in mistakes.most_common(_MOST_INTENTS))
    if not names:
        return "<p>Nothing is taken for anything else.</p>"
    totals = Counter(one.example.intent for one in judged)
    cells = []
    for row, wanted in enumerate(names):
        y = _NAME + row * _CELL
        cells.append(f'<text x="{_NAME - 6}" y="{y + 15}" text-anchor="end">{escape(wanted)}</text>')
        cells.append(
            f'<text transform="translate({y + 15},{_NAME - 6}) rotate(-90)">{escape(wanted)}</text>'
        )  # the same list on both sides, so a column stands at its row's offset
        for column, given in enumerate(names):
            count = pairs[wanted, given]
            if count:
                colour = "#2f7d4f" if wanted == given else "#c0392b"
                share = max(0.15, count / max(1, totals[wanted]))
                x = _NAME + column * _CELL
                cells.append(
                    f'<rect x="{x}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}" fill="{colour}" '
                    f'fill-opacity="{share:.2f}"><title>{escape(wanted)} as {escape(given)}: {count}</title></rect>'
                    f'<text x="{x + _CELL / 2}" y="{y + 15}" text-anchor="middle">{count}</text>'
                )
    side = _NAME + len(names) * _CELL + 10
    return (
        f"<p>Rows: what was wanted; columns: what was understood. The {len(names)} intents with the most errors.</p>"
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" role="img" '
        f'aria-label="confusion of intents">{"".join(cells)}</svg>'
    )


def _errors(wrong: Sequence[Judged]) -> str:
    if not wrong:
        return "<p>None.</p>"
    rows = "".join(
        f'<tr><td>{escape(one.example.text)}</td><td>{escape(_error(one))}</td><td class="number">'
        f"{one.confidence:.2f}</td><td>{escape(one.example.source)}</td></tr>"
        for one in wrong
    )
    return f"<table><tr><th>text</th><th>error</th><th>confidence</th><th>where</th></tr>{rows}</table>"
