"""Prints, for `eval` in a shell, the settings of this machine's pip as uv's variables; those the user has set stand.

uv reads none of pip's configuration. Where a machine names its own index, a folder of wheels or a certificate for pip,
both installers shall find the same packages.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "no-index": "UV_NO_INDEX",
}


def pip_settings() -> dict[str, str]:
    """What pip is configured for: option to value; the environment wins over the files, as in pip."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings: dict[str, str] = {}
    for scope in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(scope):
                settings[key[len(scope) :]] = value.strip().strip("'\"").replace("\\n", " ")
    return settings


def uv_settings(pip: dict[str, str], environ: dict[str, str]) -> dict[str, str]:
    """The same as uv's variables, without those that are set already."""
    found = {UV_VARIABLES[option]: value for option, value in pip.items() if option in UV_VARIABLES}
    if "UV_INDEX" in found:
        # pip takes the best version of all indexes; uv by default the first index that knows the name
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    return {name: value for name, value in found.items() if name not in environ}


if __name__ == "__main__":
    for name, value in uv_settings(pip_settings(), dict(os.environ)).items():
        print(f"export {name}={shlex.quote(value)}")
