"""carriers.toml is checked to the last key before anything is built from it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from config import data as shipped
from config.carriers import AccountSettings, load_accounts, load_carriers
from config.problem import Problem
from providers import catalog

CARRIER = '[carriers.viettel]\nname = "Viettel"\nreceipts = true\n'
ACCOUNT = """
[accounts.a]
provider = "smpp"
simulated = false
enabled = true
licence = 50
price = 300
carriers = ["viettel"]
senders = { viettel = "UBND TINH" }
settings = { host = "127.0.0.1", password_env = "A_PASSWORD" }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "carriers.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_has_each_network_of_the_prefix_table_in_the_fixed_order() -> None:
    order = ["viettel", "vinaphone", "mobifone", "vietnamobile", "gmobile", "itel", "wintel", "fpt_retail", "vsat"]
    assert [carrier.id for carrier in load_carriers()] == order
    with shipped.PREFIXES.open(encoding="utf-8") as rows:
        assert {row["operator_id"] for row in csv.DictReader(rows)} - {""} == set(order)


def test_as_shipped_only_simulated_accounts_are_enabled_and_each_carrier_has_one() -> None:
    accounts = load_accounts()
    assert {account.simulated for account in accounts if account.enabled} == {True}
    carried = [carrier for account in accounts if account.enabled for carrier in account.carriers]
    assert sorted(carried) == sorted(carrier.id for carrier in load_carriers())
    assert {account.name: account.licence for account in accounts if account.simulated} == {
        "sim-smpp": 200_000,
        "sim-esms": 8_000,
        "sim-twilio": 2_000,
    }


def test_a_real_account_takes_its_secret_from_where_the_file_says(tmp_path: Path) -> None:
    (account,) = load_accounts(written(tmp_path, CARRIER + ACCOUNT))
    assert account.keywords({"A_PASSWORD": "hunter2"}) == {"host": "127.0.0.1", "password": "hunter2"}
    (tmp_path / "secret").write_text("hunter3\n")
    for way in (f'password_file = "{tmp_path}/secret"', f'password = {{ file = "{tmp_path}/secret" }}'):
        (account,) = load_accounts(written(tmp_path, CARRIER + ACCOUNT.replace('password_env = "A_PASSWORD"', way)))
        assert account.keywords({})["password"] == "hunter3"
    (account,) = load_accounts(
        written(tmp_path, CARRIER + ACCOUNT.replace('password_env = "A_PASSWORD"', 'token = { env = "T" }'))
    )
    assert account.keywords({"T": "hunter4"})["token"] == "hunter4"


def test_a_secret_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    (account,) = load_accounts(written(tmp_path, CARRIER + ACCOUNT))
    with pytest.raises(Problem, match=r"account a: settings\.password_env names the variable A_PASSWORD"):
        account.keywords({})


WRONG = [
    ("licence = 50", "license = 50", ["carriers.toml", "account a", "license", "licence"]),
    ("licence = 50", "", ["account a", "licence is missing"]),
    ("licence = 50", "licence = 0", ["account a", "licence", "above 0"]),
    ("licence = 50", "licence = true", ["account a", "licence", "True"]),
    ("price = 300", "price = -1", ["account a", "price"]),
    ("price = 300", 'price = "300"', ["account a", "price", "'300'"]),
    ('["viettel"]', '["vietel"]', ["account a", "vietel", "known are viettel"]),
    ('{ viettel = "UBND TINH" }', "{}", ["account a", "senders.viettel"]),
    ("UBND TINH", "UBND LAI CHAU", ["account a", "senders.viettel", "11"]),
    ("UBND TINH", "Tỉnh", ["account a", "senders.viettel", "Latin"]),
    ('password_env = "A_PASSWORD"', 'password = "hunter2"', ["account a", "settings.password", "password_env"]),
    ("[accounts.a]", "[acounts.a]", ["carriers.toml", "acounts", "accounts"]),
    ("[accounts.a]", "[accounts.a", ["carriers.toml", "line 5"]),
]


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG)
def test_what_is_wrong_is_named_with_file_account_and_key(
    right: str, wrong: str, said: list[str], tmp_path: Path
) -> None:
    assert right in ACCOUNT
    with pytest.raises(Problem) as caught:
        load_accounts(written(tmp_path, CARRIER + ACCOUNT.replace(right, wrong)))
    assert all(word in str(caught.value) for word in said), str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", '[carriers.viettel]\nname = "Viettel"\n'])
def test_carriers_that_are_not_whole_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"carriers\.toml"):
        load_carriers(written(tmp_path, text))


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        load_accounts(tmp_path / "none.toml")


@pytest.mark.parametrize("account", load_accounts(), ids=lambda account: account.name)
def test_each_shipped_account_has_only_keys_that_its_provider_takes(account: AccountSettings) -> None:
    secrets = {"SMPP_A_PASSWORD": "x", "ESMS_A_API_KEY": "x", "ESMS_A_SECRET_KEY": "x"}
    catalog.check_settings(catalog.find(account.provider), account.keywords(secrets), account.name)
