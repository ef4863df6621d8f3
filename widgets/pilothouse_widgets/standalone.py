"""A Bokeh figure in a cell: drawn by the BokehJS of the page, words where there is none.

The page's BokehJS is the lab extension's, which frees the figure when its cell goes. Elsewhere it is what
``bokeh.io.output_notebook()`` loads. Exports and pages that don't trust the notebook show the words.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

#: Has the page draw the item, at once or as soon as the lab extension is there.
_SCRIPT = """(() => {
const host = document.currentScript.parentElement, item = %s;
const page = globalThis.pilothousePage ??= {loaded: new Map()};
if (page.show) page.show(host, item);
else if (globalThis.Bokeh?.embed) Bokeh.embed.embed_item(item, host).then(() => host.firstElementChild.remove());
else (page.waiting ??= []).push([host, item]);
})()"""


def figure_mimebundle(figure: Any, text: str) -> dict[str, Any]:
    """The rich display of `figure`, a Bokeh model; `text` says what it shows."""
    from bokeh.embed import json_item

    item = json.dumps(json_item(figure)).replace("<", "\\u003c")  # nothing in it may end the script
    words = f'<pre style="white-space:pre-wrap">{escape(text)}</pre>'
    drawn = f"<script>{_SCRIPT % item}</script>"
    return {
        "text/plain": text,
        "text/html": f'<div role="figure" aria-label="{escape(text[:300])}">{words}{drawn}</div>',
    }
