"""Puts the notebooks into the wheel; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

NOTEBOOKS = ("*.md", "*.html", "*.ipynb", "student/*.ipynb", "films/*.gif")


class BuildWithNotebooks(build_py):
    """The package with a copy of ``notebooks/`` in it; an editable install has none, it finds those of the checkout."""

    def _notebooks(self) -> dict[str, str]:
        """Copy -> source, of every file."""
        source, copy = Path("notebooks"), Path(self.build_lib, "orwlab", "notebooks")
        found = [path for pattern in NOTEBOOKS for path in sorted(source.glob(pattern))]
        return {str(copy / path.relative_to(source)): str(path) for path in found}

    def run(self) -> None:
        """Build, then copy. What an earlier build left goes first: it would be packed along."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for copy, source in self._notebooks().items():
                self.mkpath(str(Path(copy).parent))
                self.copy_file(source, copy, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What the build writes."""
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else self._notebooks())]

    def get_source_files(self) -> list[str]:
        """What a source distribution has to hold, so that a wheel can be built from it."""
        return [*super().get_source_files(), *self._notebooks().values()]


setup(cmdclass={"build_py": BuildWithNotebooks})
