"""Walks the imports of the source: which way they point, what may be imported where, and what is never called."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREES = {
    "pagnet_ros": ROOT / "pagnet_ros",
    "pagnet_training": ROOT / "training",
    "benchmarks": ROOT / "benchmarks",
    "studies": ROOT / "studies",
}

# A module imports from its own part and from levels below, never from another part of its level or from above.
LEVELS = [
    {"errors"},
    {"system"},
    {"model", "messages"},
    {"core", "sensors", "recordings"},
    {"diagnosis", "runtime", "simulation"},
    {"options"},
    {"pipeline"},
    {"replay"},
    {"ros"},
    {"demo", "doctor"},
]
OUTSIDE = {"pagnet_training", "benchmarks", "studies"}  # use what the robot runs, and are used by nothing there

ROS = {"rclpy", "message_filters", "cv_bridge", "launch", "launch_ros", "rcl_interfaces", "std_srvs"}
TRAINING_ONLY = {"lightning", "pytorch_lightning", "tensorboard", "torchmetrics"}
COMMAND_LINES = {"pagnet_ros/demo/cli.py"}


def is_ros(name):
    return name.split(".")[0] in ROS or name.split(".")[0].endswith("_msgs")


@functools.cache
def sources():
    """{path below the root: (module name, syntax tree)} of everything but the tests."""
    found = {}
    for package, folder in TREES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            module = ".".join((package, *parts)).removesuffix(".__init__")
            found[path.relative_to(ROOT).as_posix()] = (module, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(path):
    """Absolute names of everything a file imports, wherever in it."""
    module, tree = sources()[path]
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def place(module):
    """Level of a module of pagnet_ros by the first name below the package."""
    name = module.split(".")[1]
    for level, names in enumerate(LEVELS):
        if name in names:
            return level
    pytest.fail(f"{module} has no place yet; give {name!r} one in LEVELS, and in CONTRIBUTING.md")


def test_the_walk_sees_the_packages():
    modules = {module for module, _ in sources().values()}
    assert {"pagnet_ros.model.network", "pagnet_ros.ros.node.node", "pagnet_training.train"} <= modules


def group(module):
    """The part that a module belongs to: its first name below the package; empty for the package itself."""
    return ([*module.split("."), ""])[1]


def foreign(folder, is_foreign):
    """["file imports name"] for what files below a folder import and should not."""
    return [
        f"{path} imports {name}"
        for path in sources()
        if path.startswith(folder)
        for name in imports(path)
        if is_foreign(sources()[path][0], name)
    ]


def test_the_root_holds_the_pipeline_and_nothing_beside_it():
    files = {path.name for path in (ROOT / "pagnet_ros").glob("*.py")}
    assert files == {"__init__.py", "errors.py", "options.py", "pipeline.py"}


def test_only_packages_list_what_they_offer():
    """A list of public names is kept where names are gathered; in a module an underscore tells what is private."""
    listing = [path for path in sources() if re.search(r"^__all__", (ROOT / path).read_text(encoding="utf-8"), re.M)]
    assert not [path for path in listing if not path.endswith("__init__.py")]


def test_imports_point_inwards():
    def points_outwards(module, name):
        if not name.startswith("pagnet_ros.") or group(module) in {"", group(name)}:
            return False
        return place(name) >= place(module)

    assert not foreign("pagnet_ros/", points_outwards)


def test_what_runs_on_the_robot_knows_nothing_around_it():
    unknown = {"training", *OUTSIDE, *TRAINING_ONLY}
    assert not foreign("pagnet_ros/", lambda _, name: name.split(".")[0] in unknown)


def test_what_is_installed_does_without_benchmarks_and_studies():
    assert not foreign("training/", lambda _, name: name.split(".")[0] in {"benchmarks", "studies"})


def test_ros_is_imported_at_the_rim_only():
    def at_the_rim(module):
        return module.startswith(("pagnet_ros.ros", "pagnet_ros.demo", "pagnet_ros.doctor", "benchmarks."))

    assert not foreign("", lambda module, name: is_ros(name) and not at_the_rim(module))


def test_training_leaves_the_rim_alone():
    rim = {"ros", "demo", "doctor"}
    assert not foreign("training/", lambda _, name: name.startswith("pagnet_ros.") and group(name) in rim)


def test_nothing_is_unpickled():
    pickles = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}
    assert not foreign("", lambda _, name: name.split(".")[0] in pickles)


def calls():
    """(where, what is called, {keyword: value}) of every call."""
    for path, (_, tree) in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                yield f"{path}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_from_outside_is_run():
    dangerous = {"eval", "exec", "__import__", "os.system", "os.popen", "torch.load", "torch.hub.load"}
    dangerous |= {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}
    switches = {"shell", "allow_pickle"}
    found = [
        f"{where} calls {called}"
        for where, called, keywords in calls()
        if called in dangerous or any(keywords.get(switch, "False") != "False" for switch in switches)
    ]
    assert not found


def test_libraries_do_not_print():
    assert not [where for where, called, _ in calls() if called == "print" and where.split(":")[0] not in COMMAND_LINES]


def test_no_function_writes_globals():
    writes = [path for path, (_, tree) in sources().items() if any(isinstance(n, ast.Global) for n in ast.walk(tree))]
    assert not writes


def import_without(modules, *blocked):
    """Import modules in a fresh interpreter where the named top-level packages are not to be found."""
    code = f"""
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in {set(blocked)!r} or ({"rclpy" in blocked} and top.endswith("_msgs")):
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked by the test)", name=name)
sys.meta_path.insert(0, Blocked())
import {modules}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_pipeline_needs_no_ros_and_no_training():
    whole = "pagnet_ros; [getattr(pagnet_ros, name) for name in pagnet_ros.__all__]"
    import_without(whole, *ROS, *TRAINING_ONLY, "ament_index_python", "matplotlib", "rosbags")


def test_what_computes_no_depth_waits_for_no_torch():
    light = ("core.degradation", "core.pairing", "messages", "recordings")
    light += ("system.health", "system.resources", "system.transport")
    import_without(", ".join(f"pagnet_ros.{name}" for name in light), "torch")


def test_the_players_wait_for_no_torch():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here (make setup brings it as wheels)")
    import_without(
        "pagnet_ros.ros.players.bag_player, pagnet_ros.ros.players.frame_player, pagnet_ros.ros.parameters", "torch"
    )


def test_the_node_needs_no_training():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here (make setup brings it as wheels)")
    import_without("pagnet_ros.ros.node.node", *TRAINING_ONLY, "matplotlib", "rosbags")


def test_the_doctor_examines_a_machine_where_nearly_nothing_is_installed():
    import_without(
        "pagnet_ros.doctor.cli", *ROS, *TRAINING_ONLY, "cv2", "matplotlib", "rich", "rosbags", "torch", "yaml"
    )


def test_recordings_simulation_and_replay_need_no_ros_and_no_training():
    recordings = [f"pagnet_ros.recordings.{path.stem}" for path in (ROOT / "pagnet_ros" / "recordings").glob("*.py")]
    names = [*recordings, "pagnet_ros.ros.players.frames_to_bag", "pagnet_ros.simulation", "pagnet_ros.replay.cli"]
    import_without(", ".join(names).replace(".__init__", ""), *ROS, *TRAINING_ONLY, "matplotlib", "rerun")


def test_training_needs_no_ros():
    pytest.importorskip("lightning", reason="the training extra is not installed here")
    pytest.importorskip("pagnet_training", reason="the project is not installed here (make setup)")
    import_without("pagnet_training.train", *ROS)
