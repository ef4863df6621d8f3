"""Small tables for people: in a terminal, and as HTML in a page's own colours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape

_CELL = 'style="text-align:left;padding:1px 12px 1px 0"'
_NUMBER = 'style="text-align:right;padding:1px 12px 1px 0"'


def text_table(lines: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Lines of cells (the head is one of them) below each other in columns.

    Parameters
    ----------
    numbers
        Columns whose cells end below each other.
    """
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def html_table(
    head: Iterable[str], rows: Iterable[Sequence[str]], caption: str = "", numbers: Collection[int] = ()
) -> str:
    """The same as HTML, escaped. The first cell of a row, where there is something in it, is the row's head."""
    heads = "".join(f'<th scope="col" {_style(at, numbers)}>{escape(name)}</th>' for at, name in enumerate(head))
    body = "".join(f"<tr>{''.join(_cell(at, cell, numbers) for at, cell in enumerate(row))}</tr>" for row in rows)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    # Beside other text, not in the middle of the page, where JupyterLab has it that shows what was saved.
    return (
        f'<table style="border:0;margin-inline:0">{above}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    )


def _cell(at: int, text: str, numbers: Collection[int]) -> str:
    if at == 0 and text:
        return f'<th scope="row" {_style(at, numbers)}>{escape(text)}</th>'
    return f"<td {_style(at, numbers)}>{escape(text)}</td>"


def _style(at: int, numbers: Collection[int]) -> str:
    return _NUMBER if at in numbers else _CELL
