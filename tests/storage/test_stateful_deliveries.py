"""Random histories of events, deliverers, crashes and deletions: nothing is lost, nothing is anybody else's."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from engine.model import Delivery, DeliveryStatus
from engine.storage.ports import DeliveryQuery, Lane
from tests.storage.test_contract_deliveries import delivery
from tests.storage.test_contract_events import event
from tests.storage.test_stateful import Machine

LANES = ("s1", "s2")
LEASE = 30.0


class DeliveryHistory(Machine):
    """The model holds each delivery, the arrivals, and who holds which lane until when."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: dict[str, str] = {}  # event → connection
        self.model: dict[str, Delivery] = {}
        self.held: dict[str, tuple[int, float]] = {}  # lane → claim and end
        self.paused: dict[str, float] = {}
        self.lanes: dict[str, Lane] = {}
        self.number = 0

    @rule(connection=st.sampled_from(["c1", "c2"]))
    def an_event_comes(self, connection: str) -> None:
        self.number += 1
        one = event(self.number, connection_id=connection)
        self.wait(self.store.events.append([one]))
        self.arrived[one.event_id] = connection

    @rule(limit=st.integers(1, 3), later=st.sampled_from([0.0, 5.0, 40.0]), twice=st.booleans())
    def arrivals_are_spread(self, limit: int, later: float, twice: bool) -> None:
        """Twice: another process had read the same ones."""
        found = self.wait(self.store.deliveries.arrivals(limit))
        assert [one.event_id for one in found] == list(self.arrived)[:limit]
        due = self.clock.time + later
        plans = []
        for one in found:
            number = int(one.event_id[8:])
            made = [
                delivery(number, of, connection_id=one.connection_id, due_at=due, queued_at=self.clock.time)
                for of in LANES
            ]
            plans.append((one, made))
            self.model |= {each.delivery_id: each for each in made}
            del self.arrived[one.event_id]
        for _ in range(1 + twice):
            self.wait(self.store.deliveries.spread(plans))

    def due_in(self, of: str) -> list[Delivery]:
        mine = (one for one in self.model.values() if one.subscription_id == of and one.status == "pending")
        return sorted((one for one in mine if one.due_at <= self.clock.time), key=lambda one: one.due_at)

    def is_free(self, of: str) -> bool:
        return max(self.held.get(of, (0, 0.0))[1], self.paused.get(of, 0.0)) <= self.clock.time

    @rule()
    def a_deliverer_takes_lanes(self) -> None:
        taken = self.wait(self.store.deliveries.take(self.clock.time, self.clock.time + LEASE, 10))
        ready = {of for of in LANES if self.is_free(of) and self.due_in(of)}
        got = {lane.subscription_id for lane in taken}
        assert ready <= got, "a lane that is due is never left"
        assert all(self.is_free(of) for of in got), "a lane that is somebody's is never taken"
        for lane in taken:
            self.lanes[lane.subscription_id] = lane
            self.held[lane.subscription_id] = (lane.claim, self.clock.time + LEASE)

    @rule(of=st.sampled_from(LANES), success=st.booleans(), again=st.sampled_from([0.0, 10.0, 100.0]))
    def the_first_of_a_lane_is_tried(self, of: str, success: bool, again: float) -> None:
        """By whoever had the lane last, also when it is not his any more."""
        if of not in self.lanes:
            return
        batch = self.wait(self.store.deliveries.due(self.lanes[of], self.clock.time, 2))
        known = self.due_in(of)
        assert [one.due_at for one in batch] == [one.due_at for one in known[:2]]
        assert {one.delivery_id for one in batch} <= {one.delivery_id for one in known}
        if batch:
            status: DeliveryStatus = "delivered" if success else "pending"
            after = replace(batch[0], status=status, attempts=batch[0].attempts + 1, due_at=self.clock.time + again)
            assert self.wait(self.store.deliveries.record(after))
            assert not self.wait(self.store.deliveries.record(after)), "a record fits once"
            self.model[after.delivery_id] = replace(after, version=after.version + 1)

    @rule(of=st.sampled_from(LANES), pause=st.sampled_from([0.0, 20.0]))
    def a_lane_is_released(self, of: str, pause: float) -> None:
        lane = self.lanes.pop(of, None)
        if lane is None:
            return
        until = self.clock.time + pause if pause else 0.0
        self.wait(self.store.deliveries.release(replace(lane, paused_until=until)))
        if self.held.get(of, (0, 0.0))[0] == lane.claim:
            self.held[of] = (lane.claim, 0.0)
            self.paused[of] = until

    @rule(index=st.integers(0, 30))
    def one_is_put_in_again(self, index: int) -> None:
        if self.model:
            one = list(self.model.values())[index % len(self.model)]
            again = self.wait(self.store.deliveries.requeue("tenant-a", one.delivery_id, self.clock.time))
            assert again is not None
            assert (again.status, again.attempts, again.due_at) == ("pending", 0, self.clock.time)
            assert again.version > one.version
            self.model[one.delivery_id] = again
            self.paused[one.subscription_id] = 0.0

    @rule(of=st.sampled_from(LANES))
    def a_lane_is_buried(self, of: str) -> None:
        pending = [one for one in self.model.values() if one.subscription_id == of and one.status == "pending"]
        assert self.wait(self.store.deliveries.bury("tenant-a", of, "off")) == len(pending)
        for one in pending:
            dead = replace(one, status="dead", error="off", version=one.version + 1)
            self.model[one.delivery_id] = dead

    @rule(connection=st.sampled_from(["c1", "c2"]))
    def a_connection_is_forgotten(self, connection: str) -> None:
        self.wait(self.store.deliveries.forget_connection("tenant-a", connection))
        self.arrived = {one: of for one, of in self.arrived.items() if of != connection}
        for one in list(self.model.values()):
            if one.connection_id == connection and one.status == "pending":
                del self.model[one.delivery_id]

    @rule(seconds=st.sampled_from([1.0, 15.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.time += seconds

    @invariant()
    def the_store_shows_what_the_model_holds(self) -> None:
        stored = self.wait(self.store.deliveries.find(DeliveryQuery("tenant-a", limit=1000)))
        assert {one.delivery_id: one for one in stored} == self.model
        assert [one.event_id for one in self.wait(self.store.deliveries.arrivals(1000))] == list(self.arrived)


TestDeliveryHistory = DeliveryHistory.TestCase
TestDeliveryHistory.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
