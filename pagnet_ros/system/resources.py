"""Finds the files shipped beside the code: `config/` with parameters, sensor profiles, DDS and RViz settings.

The copy that belongs to this code is taken: the source tree's when run from there, else the `share/pagnet_ros` of the
same prefix (pip, colcon), so that an older install elsewhere on the machine is never read by mistake. Needs no ROS.
"""

from __future__ import annotations

from pathlib import Path

from pagnet_ros.errors import did_you_mean

_PACKAGE = "pagnet_ros"


def share_path() -> Path:
    """The folder that holds `launch/` and `config/` of this very copy of the package.

    Returns:
        An existing folder, absolute.

    Raises:
        FileNotFoundError: There is none (the package was copied without its share folder).
    """
    here = Path(__file__).resolve()
    source = here.parents[2]
    if (source / "package.xml").is_file() and (source / "config").is_dir():
        return source
    for prefix in here.parents:
        share = prefix / "share" / _PACKAGE
        if (share / "config").is_dir():
            return share
    indexed = _share_from_index()
    if indexed is not None:
        return indexed
    raise FileNotFoundError(
        f"no share/{_PACKAGE}/config beside {here.parent}; expected the folder that `pip install .` and `colcon "
        "build` make; install the package again, or run from the source tree"
    )


def config_path(name: str = "") -> Path:
    """Path of a shipped configuration file or folder.

    Args:
        name: Path below `config/`, such as "pagnet.yaml"; empty for the folder itself.

    Returns:
        An existing path, absolute.

    Raises:
        FileNotFoundError: No such file is shipped; the message names the nearest one.
        ValueError: The name leads out of `config/`.
    """
    folder = (share_path() / "config").resolve()
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} leads out of {folder}; expected a path below it, such as 'pagnet.yaml'")
    if not path.exists():
        known = sorted(entry.relative_to(folder).as_posix() for entry in folder.rglob("*") if entry.is_file())
        hint = did_you_mean(name, known, f"there are {', '.join(known)}")
        raise FileNotFoundError(f"no configuration {name!r} in {folder}; {hint}")
    return path


def _share_from_index() -> Path | None:
    """The share folder by ROS's index, for layouts where it lies in another prefix than the code."""
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return None
    try:
        share = Path(get_package_share_directory(_PACKAGE))
    except (PackageNotFoundError, OSError):  # OSError: AMENT_PREFIX_PATH is not set at all
        return None
    return share if (share / "config").is_dir() else None
