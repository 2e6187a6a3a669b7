"""The long random histories of the other adapters, on AWS."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from engine.storage.ports import Store
from tests.storage.conftest import ON_AWS
from tests.storage.test_stateful import AccountHistory, Machine, StateHistory
from tests.storage.test_stateful_deliveries import DeliveryHistory
from tests.support.aws import Servers, open_empty


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_AWS)
@pytest.mark.parametrize("history", [StateHistory, AccountHistory, DeliveryHistory])
def test_a_history_on_aws_ends_as_its_model_does(
    history: type[Machine], name: str, aws_servers: Servers, aws_user: None
) -> None:
    def opened(machine: Machine) -> Store:
        return open_empty(aws_servers, name, machine.clock)

    on_aws = type("OnAws", (history,), {"opened": opened, "sweeps": False})
    run_state_machine_as_test(on_aws, settings=settings(max_examples=10, stateful_step_count=25, deadline=None))
