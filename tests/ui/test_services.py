"""An engine is started by its form, shown below its pilot, extended and stopped; and a cell shows its members."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pilothouse as ph


def test_an_engine_is_started_extended_and_stopped_in_the_panel_and_shown_in_a_cell(
    lab: Any, server: Any, eventually: Any
) -> None:
    with ph.submit("local", name="desk", nodes=2).wait(timeout=60) as pilot:
        lab.open()
        lab.panel()
        lab.item("desk").get_by_role("button", name="Start an engine on desk").click()
        form = lab.page.locator(".pilothouse-PilotForm")
        form.get_by_label("Engine", exact=True).select_option(label="board")
        form.get_by_label("Slow", exact=True).fill("0.1")
        form.get_by_label("Name", exact=True).fill("words")
        line = 'ph.attach("desk").start("board", name="words", slow=0.1)'
        eventually(lambda: form.locator("pre").inner_text() == line, 10, "the line in Python")
        lab.page.get_by_role("button", name="Start", exact=True).click()

        item = lab.item("words")
        eventually(lambda: "running" in item.inner_text() and "1 of 1 node" in item.inner_text(), 60, "the service")
        board = ph.attach("words")
        assert board.settings == {"slow": 0.1, "broken": 0, "keeps": False}
        board.client()("a", "b")
        eventually(lambda: figures(item) == {"Words": "2"}, 15, "its figures")
        assert item.locator("code").inner_text() == board.address
        assert board.secrets["word"] not in lab.page.content()

        item.get_by_role("button", name="Show its own pages (words)").click()
        pages = lab.page.frame_locator(".pilothouse-Dashboard iframe")
        eventually(lambda: '"a", "b"' in pages.locator("body").inner_text(), 20, "its pages")
        assert pages.get_by_role("link", name="words").get_attribute("href") == f"{board_pages(server)}words"

        item.get_by_role("button", name="One more node (words)").click()
        eventually(lambda: "2 of 2 nodes" in item.inner_text(), 60, "the second node")
        item.locator("summary").filter(has_text="Nodes").press("Enter")
        second = item.get_by_role("list", name="Nodes of words").get_by_role("listitem").nth(1)
        eventually(lambda: "▶ running more" in second.inner_text() and figures(second) == {"Words": "0"}, 15, "its row")

        item.get_by_role("button", name="Show the log (words)").click()
        log = lab.page.locator(".pilothouse-Log-body")
        log.get_by_label("Node").select_option(board.nodes[1])
        eventually(lambda: log.locator("pre").inner_text().startswith("== board-2"), 15, "the log of one node")
        lab.page.get_by_role("button", name="Close").click()

        server.notebook("words.ipynb", ["import pilothouse as ph\nph.attach('words')"])
        lab.open("words.ipynb")
        lab.run_cell(0)
        cell = lab.page.locator(".pilothouse-Live")
        eventually(
            lambda: (
                table(cell)[:2] == [["Node", "Role", "State", "Words"], [board.nodes[0], "first", "▶ running", "2"]]
            ),
            30,
            "its members",
        )
        assert board.address in cell.locator(".pilothouse-Live-address").inner_text()
        assert cell.get_by_role("link", name="Pages").get_attribute("href") == board_pages(server)
        eventually(lambda: lab.windows(), 30, "its plots")

        cell.locator(".pilothouse-Live-header .pilothouse-Live-stop").click()  # once is not enough
        eventually(lambda: "once more" in cell.inner_text(), 10, "the question of the cell")
        item.get_by_role("button", name="Stop the service (words)").click()
        lab.page.get_by_role("button", name="Keep it running").click()
        assert not board.state.ended
        item.get_by_role("button", name="Stop the service (words)").click()
        lab.page.get_by_role("button", name="Stop the service", exact=True).click()
        eventually(lambda: board.state.ended, 30, "its end")
        eventually(lambda: not item.is_visible(), 15, "its row, folded away with what has ended")
        assert pilot.services()[0].name == "words"


def figures(where: Any) -> dict[str, str]:
    """What the first list of figures there says."""
    words = where.locator("dl").first.locator("dt, dd").all_inner_texts()
    return dict(zip(words[::2], words[1::2], strict=True))


def table(cell: Any) -> list[list[str]]:
    """The members in a cell."""
    return [row.locator("th, td").all_inner_texts() for row in cell.locator("tr").all()]


def board_pages(server: Any) -> str:
    """Path of the pages of the service ``words``."""
    return f"{urlsplit(server.url).path}pilothouse/services/words/dashboard/"
