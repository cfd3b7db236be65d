"""The link that ``headgate init`` prints opens the console, once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from headgate.bootstrap.home import Home
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import open_house
from headgate.testing.installation import run_command

if TYPE_CHECKING:
    from pathlib import Path


def test_init_prints_a_link_that_signs_the_first_member_of_staff_in_once(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    environment |= {"HEADGATE_DATA": str(tmp_path / "data"), "HEADGATE_PUBLIC_URL": "https://gate.example"}
    made = run_command("init", "--name", "Root", "--json", environment=environment)
    told = json.loads(made.stdout)
    place, _, text = told["link"].partition("#")
    assert place == "https://gate.example/console/sign-in"
    house = open_house(Home(tmp_path / "data"), load(tmp_path / "data", {}))
    assert house.access.sessions.begin_by_link(text).of.staff_id == told["staff"]
    house.close()


def test_without_json_the_token_stands_alone_and_the_link_beside_it(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    made = run_command("init", environment=environment | {"HEADGATE_DATA": str(tmp_path / "data")})
    assert made.stdout.startswith("hgs_")
    assert len(made.stdout.split()) == 1, "so that it can be piped"
    assert "http://localhost:8900/console/sign-in#hgl_" in made.stderr
