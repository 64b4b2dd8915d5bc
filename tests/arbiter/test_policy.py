"""The arbiter's rules, without a process: tables that are total, and a pool that never serves less than it did."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.arbiter.policy import (
    ACTIVE,
    COLLECTOR,
    SERVER,
    WORKER,
    CollectorEvent,
    CollectorLife,
    Member,
    Plan,
    ServerAction,
    ServerEvent,
    ServerState,
    WorkerAction,
    WorkerEvent,
    WorkerLife,
    collector_next,
    reconcile,
    reload_failed,
    server_next,
    worker_next,
)

BOOTING, RUNNING, STOPPING = WorkerLife.BOOTING, WorkerLife.RUNNING, WorkerLife.STOPPING
SIGNALS = [
    ServerEvent.TERM,
    ServerEvent.QUIT,
    ServerEvent.HUP,
    ServerEvent.MORE,
    ServerEvent.FEWER,
    ServerEvent.REOPEN,
    ServerEvent.UPGRADE,
    ServerEvent.WINCH,
]


def test_every_event_is_a_decision_in_every_state() -> None:
    assert {state: set(row) for state, row in SERVER.items()} == {s: set(ServerEvent) for s in ServerState}
    assert {life: set(row) for life, row in WORKER.items()} == {w: set(WorkerEvent) for w in WorkerLife}
    assert {life: set(row) for life, row in COLLECTOR.items()} == {
        c: set(CollectorEvent) for c in CollectorLife
    }


@pytest.mark.parametrize(
    ("events", "state", "actions"),
    [
        (["BOOTED", "TERM"], "STOPPING", ["ANNOUNCE", "STOP_WORKERS"]),
        (["BOOTED", "TERM", "TERM"], "STOPPING", ["ANNOUNCE", "STOP_WORKERS"]),
        (["BOOTED", "TERM", "QUIT"], "QUITTING", ["ANNOUNCE", "STOP_WORKERS", "QUIT_WORKERS"]),
        (["BOOTED", "QUIT", "TERM", "QUIT"], "QUITTING", ["ANNOUNCE", "QUIT_WORKERS"]),
        (["TERM"], "STOPPING", ["STOP_WORKERS"]),
        (["HUP", "BOOTED"], "RUNNING", ["DEFER", "ANNOUNCE"]),
        (["BOOTED", "HUP", "HUP"], "RUNNING", ["ANNOUNCE", "RELOAD", "RELOAD"]),
        (["BOOT_FAILED"], "QUITTING", ["QUIT_WORKERS"]),
        (["BOOTED", "BOOT_FAILED"], "RUNNING", ["ANNOUNCE"]),
        (["LOGGING_FAILED", "WORKERS_GONE"], "CLOSING", ["QUIT_WORKERS", "STOP_COLLECTOR"]),
        (["BOOTED", "COLLECTOR_DIED"], "RUNNING", ["ANNOUNCE", "RESTART_COLLECTOR"]),
        (["TERM", "COLLECTOR_DIED"], "STOPPING", ["STOP_WORKERS", "RESTART_COLLECTOR"]),
        (["TERM", "WORKERS_GONE"], "CLOSING", ["STOP_WORKERS", "STOP_COLLECTOR"]),
        (["TERM", "WORKERS_GONE", "QUIT", "HUP"], "CLOSING", ["STOP_WORKERS", "STOP_COLLECTOR"]),
        (
            ["TERM", "WORKERS_GONE", "COLLECTOR_DIED", "COLLECTOR_DONE"],
            "STOPPED",
            ["STOP_WORKERS", "STOP_COLLECTOR", "RESTART_COLLECTOR"],
        ),
        (["BOOTED", "UPGRADE", "WINCH"], "RUNNING", ["ANNOUNCE", "REFUSE_UPGRADE"]),
        (["BOOTED", "MORE", "FEWER", "REOPEN"], "RUNNING", ["ANNOUNCE", "ADD_WORKER", "REMOVE_WORKER", "REOPEN_FILES"]),
    ],
)  # fmt: skip
def test_what_the_server_does(events: list[str], state: str, actions: list[str]) -> None:
    at, done = ServerState.STARTING, []
    for event in events:
        at, action = server_next(at, ServerEvent[event])
        if action is not None:
            done.append(action.name)
    assert (at.name, done) == (state, actions)


@given(st.lists(st.sampled_from(SIGNALS)))
def test_a_server_that_was_told_to_stop_never_serves_again(signals: list[ServerEvent]) -> None:
    """Whatever signals follow (a terminal sends them to all, again and again), it ends, and ends once."""
    state, _action = server_next(ServerState.RUNNING, ServerEvent.TERM)
    stopped = 0
    for event in [*signals, ServerEvent.WORKERS_GONE, *signals, ServerEvent.COLLECTOR_DONE, *signals]:
        state, action = server_next(state, event)
        stopped += action is ServerAction.STOP_COLLECTOR
        assert state in (
            ServerState.STOPPING,
            ServerState.QUITTING,
            ServerState.CLOSING,
            ServerState.STOPPED,
        )
        assert action not in (ServerAction.RELOAD, ServerAction.ADD_WORKER)
    assert state is ServerState.STOPPED
    assert stopped == 1


@pytest.mark.parametrize(
    ("events", "life", "sent"),
    [
        (["BOOTED", "STOP", "DIED"], "DEAD", ["TERM"]),
        (["BOOTED", "STOP", "STOP", "OVERDUE", "DIED"], "DEAD", ["TERM", "ABORT"]),
        (["BOOTED", "STOP", "QUIT"], "STOPPING", ["TERM", "QUIT"]),
        (["BOOTED", "SILENT", "STOP", "OVERDUE", "OVERDUE"], "KILLED", ["ABORT", "KILL"]),
        (["SILENT", "DIED"], "DEAD", ["ABORT"]),
        (["STOP", "BOOTED"], "STOPPING", ["TERM"]),
        (["BOOTED", "OVERDUE"], "RUNNING", []),
        (["BOOTED", "STOP", "SILENT"], "STOPPING", ["TERM"]),
    ],
)
def test_what_a_worker_is_sent(events: list[str], life: str, sent: list[str]) -> None:
    at, actions = WorkerLife.BOOTING, []
    for event in events:
        at, action = worker_next(at, WorkerEvent[event])
        if action is not None:
            actions.append(action.name)
    assert (at.name, actions) == (life, sent)


@given(st.lists(st.sampled_from(WorkerEvent)))
def test_a_worker_is_killed_at_most_once_and_nothing_is_sent_to_a_dead_one(events: list[WorkerEvent]) -> None:
    life, sent = WorkerLife.BOOTING, []
    for event in events:
        dead = life is WorkerLife.DEAD
        life, action = worker_next(life, event)
        assert not (dead and action)
        sent.append(action)
    assert sent.count(WorkerAction.KILL) <= 1


def test_a_collector_restarts_from_gone_only() -> None:
    assert collector_next(CollectorLife.GONE, CollectorEvent.FORKED) is CollectorLife.STARTING
    assert collector_next(CollectorLife.READY, CollectorEvent.FORKED) is CollectorLife.READY
    assert all(collector_next(life, CollectorEvent.DIED) is CollectorLife.GONE for life in CollectorLife)


def member(incarnation: int, generation: int, lane: int, life: WorkerLife = RUNNING) -> Member:
    return Member(incarnation, generation, lane, life)


@pytest.mark.parametrize(
    ("members", "wanted", "generation", "plan"),
    [
        ([], 3, 1, Plan((0, 1, 2), ())),
        ([member(1, 1, 0), member(2, 1, 1)], 2, 1, Plan((), ())),
        # A death leaves a lane.
        ([member(1, 1, 0), member(3, 1, 2)], 3, 1, Plan((1,), ())),
        # One that stops has left its lane.
        ([member(1, 1, 0, STOPPING), member(2, 1, 1)], 2, 1, Plan((0,), ())),
        # TTOU while a lane is empty: the lane beyond goes, the empty one is filled.
        ([member(1, 1, 0), member(3, 1, 2)], 2, 1, Plan((1,), (3,))),
        # HUP: nobody stops before a new one serves.
        ([member(1, 1, 0), member(2, 1, 1)], 2, 2, Plan((0, 1), ())),
        ([member(1, 1, 0), member(2, 1, 1), member(3, 2, 0, BOOTING)], 2, 2, Plan((1,), ())),
        ([member(1, 1, 0), member(2, 1, 1), member(3, 2, 0), member(4, 2, 1, BOOTING)], 2, 2, Plan((), (1,))),
        ([member(2, 1, 1), member(3, 2, 0), member(4, 2, 1)], 2, 2, Plan((), (2,))),
        # Two reloads in a row: whoever serves goes on until the newest do.
        ([member(1, 1, 0), member(2, 2, 0, BOOTING)], 1, 3, Plan((0,), (2,))),
    ],
)
def test_who_is_started_and_stopped(members: list[Member], wanted: int, generation: int, plan: Plan) -> None:
    assert reconcile(members, wanted, generation) == plan


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[Member], int]:
    wanted = draw(st.integers(1, 5))
    count = draw(st.integers(0, 8))
    counter = itertools.count(1)
    return [
        Member(
            next(counter), draw(st.integers(1, 3)), draw(st.integers(0, 6)), draw(st.sampled_from(WorkerLife))
        )
        for _ in range(count)
    ], wanted


@given(pools())
def test_no_plan_lets_fewer_serve_than_did(pool: tuple[list[Member], int]) -> None:
    members, wanted = pool
    plan = reconcile(members, wanted, generation=3)
    serving = [m for m in members if m.life is RUNNING]
    left = [m for m in serving if m.incarnation not in plan.stop]
    assert len(left) >= min(wanted, len({(m.generation, m.lane) for m in serving if m.lane < wanted}))
    assert all(m.life in ACTIVE for m in members if m.incarnation in plan.stop)


@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_a_pool_comes_to_rest_as_wanted(before: int, wanted: int, data: st.DataObject) -> None:
    """From any number of old workers, in whatever order new ones boot, and though some die meanwhile."""
    counter = itertools.count(1)
    pool = {n: Member(n, 1, lane, RUNNING) for lane, n in enumerate(itertools.islice(counter, before))}
    for turn in range(60):
        plan = reconcile(pool.values(), wanted, generation=2)
        for incarnation in plan.stop:
            del pool[incarnation]
        for lane in plan.start:
            number = next(counter)
            pool[number] = Member(number, 2, lane, BOOTING)
        assert sum(m.life is RUNNING for m in pool.values()) >= min(before, wanted) or turn
        booting = [m for m in pool.values() if m.life is BOOTING]
        if booting:
            chosen = data.draw(st.sampled_from(booting))
            if turn < 5 and data.draw(st.booleans()):
                del pool[chosen.incarnation]
            else:
                pool[chosen.incarnation] = Member(chosen.incarnation, 2, chosen.lane, RUNNING)
        elif not plan.start and not plan.stop:
            break
    assert sorted((m.generation, m.lane, m.life.name) for m in pool.values()) == [
        (2, lane, "RUNNING") for lane in range(wanted)
    ]


def test_when_a_reload_is_given_up() -> None:
    old = [member(1, 1, 0), member(2, 1, 1)]
    assert reload_failed(old, 2)
    assert reload_failed([*old, member(3, 2, 0, BOOTING)], 2)
    assert not reload_failed([*old, member(3, 2, 0)], 2), "one of the new has booted: so the others can"
    assert not reload_failed([member(3, 2, 0, BOOTING)], 2), "nobody else serves"
    assert not reload_failed([member(1, 1, 0, STOPPING)], 2)
