"""Figures that show themselves in a cell."""

from __future__ import annotations

from bokeh.plotting import figure
from IPython.core.formatters import DisplayFormatter

from pilothouse.pictures import self_showing


def test_a_figure_shows_itself_as_the_last_line_of_a_cell_and_in_words_where_nothing_draws_it() -> None:
    plot = figure(title="</script><b>")
    plot.line([1, 2], [3, 4])
    shown, _ = DisplayFormatter().format(self_showing(plot, "a <line> & its end"))
    assert shown["text/plain"] == "a <line> & its end"
    html = shown["text/html"]
    assert "<pre" in html
    assert "a &lt;line&gt; &amp; its end" in html
    assert html.count("</script>") == 1  # what is in the figure can't end it
    assert "root_id" in html
    assert "src=" not in html  # nothing is had from elsewhere
