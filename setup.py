"""Builds and installs the package: for pip, for colcon, and as the one list of what it depends on.

`training/` is installed under the name `pagnet_training`, never as a top-level `training`. Launch files and
configuration go to `share/pagnet_ros`, the executables that `ros2 run` looks for to `lib/pagnet_ros`; both hold for
`pip install .` and for `colcon build`.
"""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "pagnet_ros"
ROOT = Path(__file__).parent

ROBOT = [
    "Jinja2>=3.0",
    "matplotlib>=3.6",
    "numpy>=1.26",
    "opencv-python-headless>=4.8,<5",
    "PyYAML>=6.0",
    "rich>=13.0",
    "rosbags>=0.10.4",
    "safetensors>=0.4",
    "torch>=2.6",
]
DEMO: list[str] = []  # all that the demo needs is installed anyway; the name stays for scripts
ONNX = ["onnx>=1.16", "onnxruntime>=1.18", "onnxscript>=0.3"]
RERUN = ["rerun-sdk>=0.41"]
CONTRIB = ["opencv-contrib-python-headless>=4.8,<5"]  # takes the place of the one without contributed modules
TRAINING = ["lightning>=2.4", "tensorboard>=2.16"]
TEST = [
    "colcon-package-information",
    "colcon-python-setup-py",
    "colcon-ros>=0.5",
    "cyclonedds>=11",
    "hypothesis>=6.100",
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.5",
    *ONNX,
]
LINT = ["mypy==2.4.1", "ruff==0.17.6", "types-PyYAML"]


def ros_wheels(rclpy: str, interfaces: str, common: str) -> list[str]:
    """ROS 2 as pip wheels, of one release: for machines without a ROS 2 install, never together with one."""
    return [
        f"ros-rclpy[fastrtps]=={rclpy}",
        *(f"ros-{name}=={interfaces}" for name in ("lifecycle-msgs", "rcl-interfaces", "rosgraph-msgs")),
        *(
            f"ros-{name}=={common}"
            for name in ("diagnostic-msgs", "geometry-msgs", "sensor-msgs", "std-msgs", "std-srvs")
        ),
    ]


def folder(source: str, target: str) -> list[tuple[str, list[str]]]:
    """Every file below `source`, as `data_files` entries that keep the folders: [(target folder, [files])]."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / source).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            below = path.parent.relative_to(ROOT / source)
            found.setdefault((Path(target) / below).as_posix(), []).append(path.relative_to(ROOT).as_posix())
    return list(found.items())


setup(
    name=NAME,
    version="0.1.0",
    description="Guided depth super-resolution for ROS 2: stamped depth and colour in, depth at colour resolution out.",
    author="pagnet_ros maintainers",
    maintainer="pagnet_ros maintainers",
    maintainer_email="maintainers@pagnet-ros.example",
    license="Apache-2.0",
    python_requires=">=3.10",
    package_dir={"pagnet_training": "training"},
    packages=[
        *find_packages(include=["pagnet_ros", "pagnet_ros.*"]),
        "pagnet_training",
        *(f"pagnet_training.{name}" for name in find_packages("training")),
    ],
    package_data={
        "pagnet_ros": [
            "py.typed",
            "runtime/native/*.[ch]pp",
            "replay/report.html",
            "model/zoo/*.safetensors",
            "model/zoo/*.md",
        ],
        "pagnet_training": ["py.typed", "recipes/*.yaml", "README.md"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *folder("launch", f"share/{NAME}/launch"),
        *folder("config", f"share/{NAME}/config"),
        *folder("scripts/run", f"lib/{NAME}"),
    ],
    install_requires=ROBOT,
    extras_require={
        "contrib": CONTRIB,
        "demo": DEMO,
        "onnx": ONNX,
        "rerun": RERUN,
        "training": TRAINING,
        "test": TEST,
        "lint": LINT,
        "jazzy": ros_wheels(rclpy="7.1.6", interfaces="2.0.3", common="5.3.6"),
        "kilted": ros_wheels(rclpy="9.1.2", interfaces="2.3.0", common="5.5.1"),
    },
    zip_safe=False,
)
