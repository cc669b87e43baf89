"""What deploys the app agrees with itself: compose.yaml, .env.example, the Dockerfile, the lock, the pages that describe them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from trainer.settings import FILE_SUFFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
DRIVER = (ROOT / "tests" / "container" / "run.sh").read_text("utf-8")
LOCK = (ROOT / "requirements.lock").read_text("utf-8")

READ_BY_COMPOSE = {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE)["services"]


def pins() -> dict[str, str]:
    """The locked packages and their versions."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", LOCK, re.MULTILINE))


def required() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]


@pytest.mark.parametrize("requirement", required(), ids=lambda requirement: requirement.name)
def test_the_lock_holds_what_is_required(requirement: Requirement) -> None:
    """After a change of requirements.txt, run the command at the top of requirements.lock."""
    version = pins().get(requirement.name.lower())
    assert version is not None
    assert requirement.specifier.contains(Version(version))


def test_everything_in_the_lock_has_a_hash_and_no_address() -> None:
    entries = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins()) > len(required())
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK
    assert "uv pip compile" in LOCK.splitlines()[1]


def test_with_another_index_only_torch_comes_without_hashes(tmp_path: Path) -> None:
    """The Dockerfile's own filter; what it leaves out is torch, and what only torch's CUDA build needs."""
    (program,) = re.findall(r"awk '([^']+)'", DOCKERFILE)
    lock = ROOT / "requirements.lock"
    left = subprocess.run(["awk", program, lock], check=True, capture_output=True, text=True).stdout
    others = set(re.findall(r"^([a-z0-9.-]+)==", left, re.MULTILINE))
    missing = pins().keys() - others
    assert {"torch", "torchvision", "triton"} <= missing
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in missing)
    assert left.count("--hash=") == LOCK.count("--hash=") - hashes_of(missing)


def hashes_of(names: set[str]) -> int:
    entries = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    return sum(entry.count("--hash=") for entry in entries if entry.partition("==")[0] in names)


@pytest.mark.parametrize("profile", ["small", "team"])
def test_a_profile_has_one_app_locked_down(services: dict[str, Any], profile: str) -> None:
    chosen = {name: service for name, service in services.items() if profile in service["profiles"]}
    (app,) = (service for service in chosen.values() if service["image"] == "trainscope")
    assert app["read_only"]
    assert (app["cap_drop"], app["user"]) == (["ALL"], "1000")
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "stop_grace_period"} <= app.keys()
    assert app["environment"]["STREAMLIT_SERVER_ALLOWED_HOSTS"].startswith("${DOMAIN:-localhost}")


def test_only_the_proxy_of_a_team_can_be_reached(services: dict[str, Any]) -> None:
    team = {name: service for name, service in services.items() if "team" in service["profiles"]}
    assert [name for name, service in team.items() if "ports" in service] == ["proxy"]
    assert yaml.safe_load(COMPOSE)["networks"]["inside"]["internal"]
    assert team["db"]["networks"] == ["inside"]
    assert team["proxy"]["networks"] == ["outside"]
    assert services["lab"]["ports"] == ["${LISTEN:-127.0.0.1:8501}:8501"]


def test_each_waits_for_what_it_needs(services: dict[str, Any]) -> None:
    healthy = {"condition": "service_healthy"}
    assert services["proxy"]["depends_on"] == {"app": healthy}
    assert services["app"]["depends_on"] == {"db": healthy}
    assert "healthcheck" in services["db"]
    assert "HEALTHCHECK" in DOCKERFILE


def test_the_example_names_what_compose_reads() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) == named - READ_BY_COMPOSE
    assert named >= READ_BY_COMPOSE


@pytest.mark.parametrize("text", [COMPOSE, DOCKERFILE, EXAMPLE, README, GUIDE], ids=lambda text: text[:20])
def test_named_settings_exist(text: str) -> None:
    known = {f"TRAINSCOPE_{name}".upper() for name in Settings.model_fields}
    named = {name.removesuffix(FILE_SUFFIX) for name in re.findall(r"TRAINSCOPE_[A-Z_]*[A-Z]", text)}
    assert named <= known


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`TRAINSCOPE_{name.upper()}`" in README


def test_the_grace_is_the_same_wherever_it_is_named(services: dict[str, Any]) -> None:
    assert services["app"]["stop_grace_period"] == "40s"
    assert "--stop-timeout 40" in DOCKERFILE
    assert "--stop-timeout 40" in README
    assert "40 seconds" in GUIDE


def commands(text: str) -> list[str]:
    """The lines of a page's shell blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_driver_executes_every_command_of_the_guide() -> None:
    """It takes the blocks below a heading."""
    sections = re.findall(r"^## (.+)$", GUIDE, re.MULTILINE)
    with_commands = [
        title
        for title, body in zip(sections, re.split(r"^## .+$", GUIDE, flags=re.MULTILINE)[1:], strict=True)
        if commands(body)
    ]
    assert set(re.findall(r'^ *guide "(.+)"', DRIVER, re.MULTILINE)) == set(with_commands)
