"""Who votes among the controllers: three where there are three members or more, else one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pilothouse.engines.kafka.administration import Administration, Voter
from pilothouse.errors import Failed, PilothouseError

#: Seconds for all changes; controllers that have just come are told to vote once they have the log.
CHANGE_S = 30.0


def wanted(members: Sequence[int], voters: Sequence[int], leader: int) -> list[int]:
    """Which members are to vote: the one that leads, those that do already, then the longest there.

    Two would both be needed at any time, so that one is as good and half as likely to fail. One that leads and takes
    its own vote hears of nothing any more, so that its broker is of no use until it is started again.
    """
    number = 3 if len(members) >= 3 else 1
    return sorted(sorted(members, key=lambda member: (member != leader, member not in voters, member))[:number])


def settle(
    cluster: Administration,
    name: str,
    members: Mapping[int, Voter],
    *,
    gone: Sequence[int] = (),
    leaving: Sequence[int] = (),
) -> list[int]:
    """Have the right ones vote, one change after the other; who votes then.

    Parameters
    ----------
    name
        The cluster's id.
    members
        Those that are there and stay.
    gone
        Voters that do not live any more. Their votes go first: a majority is one of all votes.
    leaving
        Voters that still have something to hand over: each takes its vote when it has.

    Raises
    ------
    Failed
        Those that are left are not enough to agree on a change.
    """
    deadline = time.monotonic() + CHANGE_S
    while True:
        voters, leader = cluster.quorum()
        there = wanted(list(members), list(voters), leader)
        dead = [number for number in voters if number in gone]
        lacking = [number for number in there if number not in voters]
        surplus = [number for number in voters if number not in (*there, *dead, *leaving)]
        surplus.sort(key=lambda number: number == leader)  # the one that leads last: then nothing more is asked of it
        try:
            if dead:
                cluster.remove_voter(name, dead[0], voters[dead[0]])
            elif lacking:
                cluster.add_voter(name, members[lacking[0]])
            elif surplus:
                cluster.remove_voter(name, surplus[0], voters[surplus[0]])
            else:
                return there
        except PilothouseError as error:
            if time.monotonic() > deadline or not cluster.going_on():
                raise Failed(f"the controllers could not agree on who votes: {error}") from error
            time.sleep(0.1)
