"""Where promtool and prometheus are: in the PATH, or where setup-env.sh unpacks Debian's package."""

import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".local/prometheus/usr/bin"


def tool(name: str) -> str:
    """The path of promtool or prometheus.

    Raises FileNotFoundError where it is not there.
    """
    found = shutil.which(name) or shutil.which(name, path=str(UNPACKED))
    if found is None:
        raise FileNotFoundError(f"{name} is missing; ./setup-env.sh unpacks it to {UNPACKED}")
    return found
