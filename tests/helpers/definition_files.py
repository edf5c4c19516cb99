"""Writing definitions for tests."""

import re
from pathlib import Path


def define(folder, text):
    """Write a definition into `folder`/definitions."""
    definitions = Path(folder) / "definitions"
    definitions.mkdir(exist_ok=True)
    name = re.search(r'^id *= *"([^"]+)"', text, re.MULTILINE).group(1)
    (definitions / f"{name}.toml").write_text(text)
    return name
