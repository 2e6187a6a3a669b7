"""What a call, a message and a look use on AWS is what the operators' page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cost import FIGURES, PRICES, Figure, Month, costs, figures_table, main, units_table
from engine.errors import SettingsError
from tests.aws.costing import counting
from tests.house.source import ROOT
from tests.support import aws
from tests.support.upstream import Upstream, answer

PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")


@pytest.mark.usefixtures("aws_user")
@pytest.mark.parametrize("name", ["ministack", "dynoxide"])
async def test_operations_and_bytes_are_those_of_the_page(
    tmp_path: Path, aws_servers: aws.Servers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", aws_servers.dynamodb[name])
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws_servers.secrets)
    async with counting(tmp_path, aws_servers, name) as here, Upstream(lambda _seen: answer({})) as subscriber:
        await here.read()
        found = {
            "call": await here.figure(here.read),
            "keyed": await here.figure(lambda: here.write("key-1")),
            "replayed": await here.figure(lambda: here.replay("key-1")),
            "refused": await here.figure(here.refuse),
            "look": await here.figure(here.look),
        }
        assert near(await here.figure(lambda: here.write(None)), found["call"])
        await here.forget_account()
        cold, warm = await here.figure(here.read), found["call"]
        found["account"] = Figure(cold.reads - warm.reads, cold.writes - warm.writes, cold.secrets - warm.secrets, 0, 0)
        await here.subscribe(subscriber)
        for number in range(2):  # the lane is there, as it is from the second event on
            await here.receive(number)
            await here.deliver(subscriber)
        found["message"] = await here.figure(lambda: here.receive(2))
        found["delivered"] = await here.figure(lambda: here.deliver(subscriber))
    assert found.keys() == FIGURES.keys()
    wrong = {kind: (one, FIGURES[kind][1]) for kind, one in found.items() if not near(one, FIGURES[kind][1])}
    assert not wrong


def near(one: Figure, other: Figure) -> bool:
    """Units are exact; bytes differ by the digits of times."""
    is_same = (one.reads, one.writes, one.secrets) == (other.reads, other.writes, other.secrets)
    pairs = ((one.stored, other.stored), (one.logged, other.logged))
    return is_same and all(abs(here - there) <= 12 + 0.02 * there for here, there in pairs)


def test_the_page_shows_the_figures_and_what_they_come_to() -> None:
    assert figures_table() in PAGE
    assert units_table(Month(1e6), Month(1e8, connections=20_000, processes=100)) in PAGE


def test_a_price_counts_for_all_units_of_its_name_and_no_price_is_built_in() -> None:
    month = Month(1000, keyed=0, replayed=0, refused=0, messages=0, connections=0)
    assert costs(month, {"dynamodb.write": 2.0}) == {"dynamodb.write": 6000.0}
    assert costs(month, {}) == {}
    assert month.units().keys() == PRICES.keys()
    with pytest.raises(SettingsError, match=r"dynamodb\.write"):
        costs(month, {"dynamodb.writes": 1.0})


def test_the_command_says_what_has_no_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--calls", "1e6", "--price", "gateway.request=0.5"]) == 0
    told = capsys.readouterr().out
    assert "gateway.request            1,200,000  600,000.00" in told
    assert "without a price: dynamodb.read, dynamodb.write" in told
    assert main(["--price", "gateway=1"]) == 2
    assert main(["--price", "gateway.request=cheap"]) == 2
