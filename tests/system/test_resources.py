"""Finding what is shipped beside the code: from the source tree, from a prefix, through ROS's index."""

import subprocess
import sys
from pathlib import Path

import pytest

from pagnet_ros.system import resources
from pagnet_ros.system.resources import config_path, share_path

ROOT = Path(__file__).resolve().parents[2]


def installed_at(monkeypatch, prefix, site_packages):
    """Let the module believe that it was installed below a prefix."""
    module = prefix / site_packages / "pagnet_ros" / "system" / "resources.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(resources, "__file__", str(module))


def test_the_source_tree_has_its_own():
    assert share_path() == ROOT
    assert config_path("pagnet.yaml") == ROOT / "config/pagnet.yaml"
    assert config_path() == ROOT / "config"


@pytest.mark.parametrize(
    "site_packages",
    ["lib/python3.12/site-packages", "local/lib/python3.12/dist-packages", "Lib/site-packages", ""],
    ids=["venv or colcon", "debian", "windows", "pip --target"],
)
def test_an_installed_copy_finds_the_share_of_its_prefix(monkeypatch, tmp_path, site_packages):
    installed_at(monkeypatch, tmp_path, site_packages)
    wanted = tmp_path / "share/pagnet_ros/config/pagnet.yaml"
    wanted.parent.mkdir(parents=True)
    wanted.touch()
    assert config_path("pagnet.yaml") == wanted


def test_its_own_share_comes_before_what_the_index_names(monkeypatch, tmp_path):
    pytest.importorskip("ament_index_python", reason="ROS 2 is not installed here")
    for prefix in ("mine", "older"):
        (tmp_path / prefix / "share/pagnet_ros/config").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "older"))
    installed_at(monkeypatch, tmp_path / "mine", "lib/python3.12/site-packages")
    assert share_path() == tmp_path / "mine/share/pagnet_ros"


def test_the_index_helps_where_the_prefix_has_none(monkeypatch, tmp_path):
    pytest.importorskip("ament_index_python", reason="ROS 2 is not installed here")
    (tmp_path / "ws/share/pagnet_ros/config").mkdir(parents=True)
    marker = tmp_path / "ws/share/ament_index/resource_index/packages/pagnet_ros"
    marker.parent.mkdir(parents=True)
    marker.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ws"))
    installed_at(monkeypatch, tmp_path / "elsewhere", "lib/python3.12/site-packages")
    assert share_path() == tmp_path / "ws/share/pagnet_ros"


@pytest.mark.parametrize("prefixes", [None, "", "/nowhere"])
def test_a_copy_without_share_says_how_to_mend_it(monkeypatch, tmp_path, prefixes):
    if prefixes is None:
        monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    else:
        monkeypatch.setenv("AMENT_PREFIX_PATH", prefixes)
    installed_at(monkeypatch, tmp_path, "lib/python3.12/site-packages")
    with pytest.raises(FileNotFoundError, match="install the package again, or run from the source tree"):
        share_path()


def test_a_mistyped_name_gets_the_nearest():
    with pytest.raises(FileNotFoundError, match=r"did you mean 'pagnet\.yaml'"):
        config_path("pagent.yaml")


@pytest.mark.parametrize("name", ["../setup.py", "/etc/passwd", "dds/../../setup.py"])
def test_names_stay_below_the_folder(name):
    with pytest.raises(ValueError, match="leads out of"):
        config_path(name)


def test_finding_needs_neither_ros_nor_torch():
    code = "import sys; sys.modules['ament_index_python'] = None; import runpy; runpy.run_path(sys.argv[1])"
    subprocess.run([sys.executable, "-S", "-c", code, resources.__file__], check=True)
