"""The demo's folder: ports that are free, secrets made once, files that belong together."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import InvalidError
from emulator import world
from gateway.config import load
from gateway.demo import house
from gateway.demo.brand import SPEAKERS, SampleBrand
from gateway.demo.house import House, Ports, free_ports, load_keys, write_files


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind((house.HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_free_one(taken: int) -> None:
    found = free_ports(taken, taken)
    assert taken not in (found.public, found.internal, found.emulator)
    assert len({found.public, found.internal, found.emulator}) == 3
    assert found.public > taken


def test_where_no_port_is_free_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "_PORTS_TRIED", 1)
    with socket.socket() as listener:
        listener.bind((house.HOST, 0))
        listener.listen()
        with pytest.raises(InvalidError, match="--port"):
            free_ports(listener.getsockname()[1], 1)


def test_secrets_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    assert load_keys(tmp_path) == keys
    assert (tmp_path / "secrets.yaml").stat().st_mode & 0o777 == 0o600


def test_damaged_secrets_say_how_to_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("[", encoding="utf-8")
    with pytest.raises(InvalidError, match="remove the folder"):
        load_keys(tmp_path)


def test_gateway_and_emulator_read_what_is_written_for_them(tmp_path: Path) -> None:
    place = House(tmp_path, Ports(8080, 8081, 8090))
    brand = SampleBrand()
    write_files(place, load_keys(tmp_path), brand.members)
    config = load(place.config_file, {})
    played = world.load(place.world_file)
    assert config.demo
    assert place.config_file.stat().st_mode & 0o777 == 0o600
    (account,) = played.official_accounts
    (corp,) = played.corps
    assert account.callback_url == "http://127.0.0.1:8080/hooks/oa"
    assert len(corp.members) == 12
    by_id = {one.id: one for one in config.accounts}
    assert by_id["oa"].token.get_secret_value() == account.token
    assert by_id["work"].encoding_aes_key.get_secret_value() == corp.agents[0].encoding_aes_key


def test_the_sample_brand_is_what_it_says() -> None:
    brand = SampleBrand()
    assert len(brand.advisors) == len(brand.personas) == 12
    assert len(brand.followers) == 300
    assert len(set(brand.followers.values())) == 300
    assert len(brand.first_words) == SPEAKERS
