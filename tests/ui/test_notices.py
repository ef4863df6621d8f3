"""What the user is told without asking: each refusal, and one notice for each kind of end."""

from __future__ import annotations

from typing import Any

import pilothouse as ph


def test_refusals_are_shown_and_what_fails_again_and_again_is_one_notice(
    lab: Any, local_pilot: ph.Pilot, eventually: Any
) -> None:
    lab.open()
    lab.panel()
    lab.item(local_pilot.name).wait_for()
    toasts = lab.page.locator(".Toastify__toast")
    for _ in range(2):
        lab.do("pilothouse:recover-pilot", name=local_pilot.name)
    refused = toasts.filter(has_text="only a lost one can be recovered")
    refused.first.wait_for()
    assert refused.count() == 1

    for _ in range(4):
        local_pilot.execute(["false"]).wait(timeout=60)
    counted = toasts.filter(has_text="4 runs: failed. The last one is")
    counted.wait_for(timeout=30_000)
    assert toasts.filter(has_text="failed").count() == 1
    counted.get_by_role("button", name="Show Last Log").click()
    lab.page.get_by_role("dialog").wait_for()
