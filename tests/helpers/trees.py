"""Real trees of source code, off the registries: what the counts and the rules are held against.

Fetched by the registries' own clients, checked against a sum, unpacked once into `.cache/trees` and
kept there.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from helpers.paths import ROOT

CACHE = ROOT / ".cache" / "trees"


class Tree(NamedTuple):
    """The sources of one package. registry: "pypi", "npm" or "debian". sha256: of the archive
    that the registry gives.
    """

    name: str
    version: str
    registry: str
    sha256: str

    @property
    def folder(self):
        return CACHE / f"{self.name}-{self.version}"


TREES = {
    tree.name: tree
    for tree in (
        # Python
        Tree(
            "scrapy",
            "2.12.0",
            "pypi",
            "d66d6e76009b12447604196875a463b61d10721140032a8084a0a52df7f4788f",
        ),
        # JavaScript and TypeScript
        Tree(
            "fastify",
            "5.2.0",
            "npm",
            "a6af4cafbf1b90929245096e4e7761c6eea796133171b4d2b8b33c0c8726c0a3",
        ),
        # Go
        Tree(
            "golang-github-prometheus-client-golang-dev",
            "1.14.0-3",
            "debian",
            "b95081bf869abc26d70ba2a1dfd9d0ac6675b6ac95c9ffa6e25971ee862e7016",
        ),
        # C++
        Tree(
            "leveldown",
            "6.1.1",
            "npm",
            "fe534f13e475826331c9cd59f279f073c3238e4db2ff2c930e17a786ba0f4f01",
        ),
        # Python, C, Cython, TypeScript
        Tree(
            "aiohttp",
            "3.11.11",
            "pypi",
            "bb49c7f1e6ebf3821a42d81d494f538107610c3a705987f53068546b0e90303e",
        ),
    )
}


class NotFetched(Exception):
    """A registry didn't give a package, or gave another than the one whose sum is known."""


def fetch(tree):
    """Return the folder of a tree's files; the first time it is fetched. Raises NotFetched."""
    if tree.folder.is_dir():
        return tree.folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        archive = download(tree, Path(scratch))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != tree.sha256:
            raise NotFetched(f"{archive.name} has the sum {found} instead of {tree.sha256}")
        unpacked = unpack(archive, Path(scratch) / "unpacked")
        try:
            unpacked.rename(tree.folder)
        except OSError:  # another process of the tests was quicker
            if not tree.folder.is_dir():
                raise
    return tree.folder


def download(tree, scratch):
    """Return the archive that the registry's own client puts into `scratch`."""
    commands = {
        "pypi": [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            f"{tree.name}=={tree.version}",
        ],
        "npm": ["npm", "pack", "--silent", f"{tree.name}@{tree.version}"],
        "debian": ["apt-get", "download", "--quiet", f"{tree.name}={tree.version}"],
    }
    command = commands[tree.registry]
    if not shutil.which(command[0]):
        raise NotFetched(f"{tree.name} is fetched with {command[0]}, which isn't here")
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300)
    archives = [path for path in scratch.iterdir() if path.is_file()]
    if done.returncode or len(archives) != 1:
        raise NotFetched(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        )
    return archives[0]


def unpack(archive, folder):
    """Return the folder of what is in an archive, without the folders that hold nothing but one
    other folder.
    """
    folder.mkdir()
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True, timeout=60)
        folder = folder / "usr" / "share" / "gocode" / "src"
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    while len(inner := list(folder.iterdir())) == 1 and inner[0].is_dir():
        folder = inner[0]
    return folder


if __name__ == "__main__":  # prints where each tree is
    for each in TREES.values():
        print(fetch(each))
