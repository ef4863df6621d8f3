"""Dask's dashboard in a tab of the Lab, through the Jupyter server."""

from __future__ import annotations

from typing import Any

import pilothouse as ph

#: How many tasks the task stream shows, where it is there.
TASKS = """() => {
    const models = [...(globalThis.Bokeh?.documents[0]?.all_models ?? [])];
    return Math.max(0, ...models.map(model => model.data?.get?.("key")?.length ?? model.data?.key?.length ?? 0));
}"""


def test_the_dask_dashboard_opens_from_the_panel_and_shows_tasks(
    lab: Any, local_pilot: ph.Pilot, eventually: Any
) -> None:
    lab.open()
    lab.panel()
    lab.item(local_pilot.name).get_by_title("Show the Dask dashboard").click()
    tab = lab.page.frame_locator(".pilothouse-Dashboard iframe")
    tab.locator("canvas").first.wait_for(timeout=60_000)
    page = next(frame for frame in lab.page.frames if "/dashboard/status" in frame.url)
    assert page.url.startswith(f"{lab.server.url}pilothouse/pilots/{local_pilot.name}/")
    assert "token" not in page.url
    client = local_pilot.client()
    client.gather(client.map(lambda x: sum(range(x)), range(1_000_000, 1_000_060)))
    eventually(lambda: page.evaluate(TASKS) >= 60, 20, "the tasks in the stream")
    tab.get_by_role("link", name="Workers", exact=True).click()
    tab.get_by_text("event_loop_interval", exact=True).wait_for(timeout=60_000)


def test_the_tab_says_when_its_pilot_has_ended(lab: Any) -> None:
    pilot = ph.submit("local", name="brief").wait(timeout=60)
    lab.open()
    lab.panel()
    lab.item("brief").get_by_title("Show the Dask dashboard").click()
    tab = lab.page.frame_locator(".pilothouse-Dashboard iframe")
    tab.locator("canvas").first.wait_for(timeout=60_000)
    pilot.cancel()
    tab.get_by_text("its dashboard has gone with it").wait_for(timeout=20_000)
    assert lab.item("brief").get_by_title("Show the Dask dashboard").count() == 0
