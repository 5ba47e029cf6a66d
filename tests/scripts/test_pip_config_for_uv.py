"""uv is told what this machine's pip is configured for."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "scripts/pip_config_for_uv.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pip_config_for_uv", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_setting_has_its_variable(script):
    pip = {"index-url": "https://a/simple", "find-links": "/w /v", "cert": "/ca.pem", "timeout": "60"}
    assert script.uv_settings(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_FIND_LINKS": "/w,/v",
        "SSL_CERT_FILE": "/ca.pem",
    }


def test_further_indexes_are_searched_like_pip_does(script):
    found = script.uv_settings({"extra-index-url": "https://b https://c"}, {})
    assert found == {"UV_INDEX": "https://b https://c", "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_what_the_user_set_for_uv_stands(script):
    assert script.uv_settings({"index-url": "https://a"}, {"UV_DEFAULT_INDEX": "https://mine"}) == {}


def test_the_environment_wins_over_files(script, monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://file/simple\nextra-index-url =\n    https://one\n    https://two\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment/simple")
    settings = script.pip_settings()
    assert settings["index-url"] == "https://environment/simple"
    assert settings["extra-index-url"].split() == ["https://one", "https://two"]
