"""The tested environment as versions with hashes, and an audit of an environment against them.

    scripts/run.sh python scripts/lock.py --write     # requirements.lock anew, from the environment this runs in
    scripts/run.sh python scripts/lock.py             # audit: pip check, and what differs from the lock

The lock is pip's: `pip install --require-hashes --extra-index-url https://download.pytorch.org/whl/cpu -r
requirements.lock` takes these very files or none. It holds for one system, which its first lines name. The audit's exit
status is 1 where packages do not fit each other; a version that differs from the lock is told, and a failure with
--strict.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from pagnet_ros.system.files import replaced

LOCK = Path(__file__).parents[1] / "requirements.lock"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def main() -> int:
    """Write or audit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the lock from this environment")
    parser.add_argument("--strict", action="store_true", help="fail where a version differs from the lock")
    options = parser.parse_args()
    installed = _installed()
    if options.write:
        try:
            with replaced(LOCK) as temporary:
                temporary.write_text(_lock(installed), encoding="utf-8")
        except OSError as error:
            sys.stderr.write(f"{LOCK}: cannot be written: {error.strerror or error}; free some space\n")
            return 1
        return 0
    checked = subprocess.run([*PIP, "check"], check=False).returncode
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    names = sorted(installed.keys() | locked.keys())
    differ = [
        f"{name} {installed.get(name, 'missing')} (locked: {locked.get(name, 'none')})"
        for name in names
        if installed.get(name) != locked.get(name)
    ]
    sys.stdout.write(f"{len(names) - len(differ)} of {len(names)} packages are as in {LOCK.name}\n")
    sys.stdout.write("".join(f"  {line}\n" for line in differ))
    return int(bool(checked or (options.strict and differ)))


def _installed() -> dict[str, str]:
    """{name: version} of what was installed from an index; the ROS wheels bring metadata of their parts along."""
    found = {}
    for each in distributions():
        from_index = each.read_text("INSTALLER") and not each.read_text("direct_url.json")
        if from_index and each.name.lower() not in ("pip", "setuptools", "wheel"):
            found[re.sub(r"[-_.]+", "-", each.name.lower())] = each.version
    return found


def _lock(installed: dict[str, str]) -> str:
    """The lock's text: each version with the hash of the file that pip takes for it here."""
    wanted = [f"{name}=={version}" for name, version in installed.items()]
    words = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", *wanted]
    report = json.loads(subprocess.run([*PIP, *words], capture_output=True, text=True, check=True).stdout)
    lines = [f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}: scripts/lock.py --write"]
    for each in sorted(report["install"], key=lambda each: str(each["metadata"]["name"]).lower()):
        hashes = each["download_info"]["archive_info"]["hashes"]
        name = re.sub(r"[-_.]+", "-", each["metadata"]["name"].lower())
        lines.append(f"{name}=={each['metadata']['version']} --hash=sha256:{hashes['sha256']}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
