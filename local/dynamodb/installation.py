"""Gets DynamoDB Local onto a machine: npm installs the one package of the lock beside this file, by its hash."""

import shutil
import subprocess
import sys
from pathlib import Path

from local.server import ServerError

_MANIFEST = Path(__file__).with_name("package.json")
LOCK = Path(__file__).with_name("package-lock.json")
_DIRECTORY = Path(__file__).parents[2] / ".build" / "dynamodb-local"


def install(directory: Path = _DIRECTORY) -> Path:
    """Install DynamoDB Local, unless what the lock names is there already; say so on standard error.

    Returns:
        The folder with its jar.

    Raises:
        ServerError: npm is missing, or failed.
    """
    installed = directory / "installed.json"
    if not installed.exists() or installed.read_bytes() != LOCK.read_bytes():
        npm = shutil.which("npm")
        if npm is None:
            raise ServerError(
                "npm is needed to install DynamoDB Local: install Node.js, which brings it, from https://nodejs.org, "
                "and put it on the PATH"
            )
        print(f"Installing DynamoDB Local into {directory} (60 MB)", file=sys.stderr, flush=True)
        directory.mkdir(parents=True, exist_ok=True)
        installed.unlink(missing_ok=True)
        for each in (_MANIFEST, LOCK):
            shutil.copy(each, directory)
        # The package's own scripts are not run: they would fetch other versions.
        answer = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise ServerError(f"npm could not install DynamoDB Local:\n{answer.stderr or answer.stdout}")
        shutil.copy(LOCK, installed)
    return directory / "node_modules" / "amplify-dynamodb-simulator" / "emulator"
