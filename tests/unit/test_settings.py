"""Settings from the environment, and how many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer import settings as module
from trainer.settings import SettingsError, get_settings, usable_cores


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TRAINSCOPE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_need_no_setting(tmp_path: Path) -> None:
    settings = get_settings()
    assert settings.home == tmp_path / ".trainscope"
    assert settings.url == f"sqlite:///{tmp_path / '.trainscope' / 'trainscope.db'}"
    assert settings.data == tmp_path / ".trainscope" / "data"
    assert settings.max_workers == usable_cores() >= 1
    assert settings.run_folder(7) == tmp_path / ".trainscope" / "runs" / "7"


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRAINSCOPE_HOME", "elsewhere")
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL", "postgresql://x/y")
    monkeypatch.setenv("TRAINSCOPE_MAX_WORKERS", "5")
    monkeypatch.setenv("TRAINSCOPE_DATA_FOLDER", "/sets")
    settings = get_settings()
    assert (settings.home, settings.url) == (tmp_path / "elsewhere", "postgresql://x/y")
    assert (settings.max_workers, settings.data) == (5, Path("/sets"))


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "DATABASE_URL", "DATA_FOLDER", "MAX_WORKERS"):
        monkeypatch.setenv(f"TRAINSCOPE_{name}", "")
    assert get_settings().home == tmp_path / ".trainscope"
    assert get_settings().data == tmp_path / ".trainscope" / "data"


@pytest.mark.parametrize("value", ["0", "many", "-1"])
def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRAINSCOPE_MAX_WORKERS", value)
    with pytest.raises(SettingsError, match=f"TRAINSCOPE_MAX_WORKERS is '{value}': ") as caught:
        get_settings()
    assert "\n" not in str(caught.value)


def test_removing_a_run_folder(tmp_path: Path) -> None:
    settings = get_settings()
    folder = settings.run_folder(1)
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"x")
    settings.remove_run_folder(1)
    settings.remove_run_folder(1)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("50000 100000", 0.5), ("", None)]
)
def test_quota_of_a_control_group(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert module._read_v2(tmp_path / "cpu.max") == cores


def test_quota_of_an_old_control_group(tmp_path: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("300000")
    (tmp_path / "cpu.cfs_period_us").write_text("100000")
    assert module._read_v1(tmp_path) == 3
    (tmp_path / "cpu.cfs_quota_us").write_text("-1")
    assert module._read_v1(tmp_path) is None


def test_a_quota_on_a_group_above_is_obeyed_and_rounded_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd's CPUQuota= sets it on a unit: joblib.cpu_count() would find no quota here, and round this one up."""
    own = tmp_path / "cgroup" / "system.slice" / "trainscope.service" / "workers"
    own.mkdir(parents=True)
    (own / "cpu.max").write_text("max 100000")
    (own.parent / "cpu.max").write_text("250000 100000")
    (tmp_path / "own").write_text("0::/system.slice/trainscope.service/workers\n")
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(module, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert usable_cores() == 2


def test_a_quota_below_one_core_still_leaves_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cgroup_quota", lambda: 0.5)
    assert usable_cores() == 1


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://ada:open@db/name\n")
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL_FILE", str(secret))
    assert get_settings().url == "postgresql://ada:open@db/name"


def test_every_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("3\n")
    monkeypatch.setenv("TRAINSCOPE_MAX_WORKERS_FILE", str(tmp_path / "workers"))
    assert get_settings().max_workers == 3
    assert get_settings().asked_for_workers
    (tmp_path / "workers").write_text("many")
    with pytest.raises(SettingsError, match="TRAINSCOPE_MAX_WORKERS is 'many': "):
        get_settings()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "which cannot be read: No such file or directory."),
        (b"\n", "which is empty: write the value into it."),
        (b"\xff", "which cannot be read: it is not text in UTF-8."),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "url"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        get_settings()
    assert str(caught.value) == f"TRAINSCOPE_DATABASE_URL_FILE is {str(path)!r}, {words}"


def test_a_value_and_its_file_contradict_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL", "postgresql://a/b")
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match="are both set: unset one of them"):
        get_settings()


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgresql://ada@db/name", "postgresql://ada:p%40ss%2Fw@db/name"),
        ("postgresql://ada:own@db/name", "postgresql://ada:own@db/name"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
        ("no url", "no url"),
    ],
)
def test_the_password_completes_a_url_that_names_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, complete: str
) -> None:
    (tmp_path / "password").write_text("p@ss/w\n")
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL", url)
    monkeypatch.setenv("TRAINSCOPE_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert get_settings().url == complete
    assert "p@ss" not in repr(get_settings())
