"""The one step that pyproject.toml cannot say: the files of other top-level folders that a wheel needs.

They stand at the top, where people look for them, and go into the wheel as `app/shipped/` (`ROOT` in app/settings.py).
An editable install needs none: there the files are found in the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("prompts", "configs", "data/sample.jsonl")


class BuildPy(build_py):
    """Copies what is shipped beside the modules."""

    def run(self) -> None:
        """Build the modules, then copy."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib, "app", "shipped", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(name, target)


setup(cmdclass={"build_py": BuildPy})
