"""Links that open a notebook in Colab or on Binder, made from one address: that of the repository."""

import re
from urllib.parse import quote

from nbformat import NotebookNode

from orwlab import checks
from orwlab.teach.notebooks.anatomy import code

LINE = "*Without installing anything: open it [in Colab]({colab}) or [on Binder]({binder}).*"
INSTALL = """import importlib.util

if importlib.util.find_spec("orwlab") is None:  # on Colab, where a notebook comes without its package
    get_ipython().system("pip install --quiet 'orwlab[notebooks] @ git+{repository}'")

"""
_GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
_LINE = re.compile(r"\*Without installing anything: open it \[in Colab\].*\*")
_INSTALL = re.compile(
    r"\Aimport importlib\.util\n\nif importlib\.util\.find_spec\(\"orwlab\"\) is None:.*\n    get_ipython.*\n\n"
)


def opened_online(notebook: NotebookNode, path: str, repository: str | None, branch: str = "main") -> NotebookNode:
    """The notebook with a line that opens it in Colab or on Binder, added, renewed or, without an address, taken out.

    Colab starts without the package, so the first code cell installs it from the repository where it is missing. Binder
    builds the repository's ``environment.yml``.

    Args:
        notebook: its first cell is the title's; changed in place.
        path: of its file in the repository, such as ``notebooks/01_flow_matching.ipynb``.
        repository: ``https://github.com/OWNER/NAME``, or None.
        branch: that Colab reads.

    Raises:
        ValueError: an address that Colab cannot open.
    """
    if not isinstance(notebook, NotebookNode) or not notebook.get("cells") or not code(notebook):
        raise checks.fail("notebook", notebook, "a notebook as nbformat.read returns it, with a title and code")
    first, setup = notebook.cells[0], code(notebook)[0]
    blocks = [block for block in first.source.split("\n\n") if not _LINE.fullmatch(block)]
    setup.source = _INSTALL.sub("", setup.source)
    if repository is not None:
        found = _GITHUB.fullmatch(repository) if isinstance(repository, str) else None
        if found is None:
            raise checks.fail("repository", repository, "https://github.com/OWNER/NAME, or None")
        owner, name = found.groups()
        colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/{quote(branch)}/{quote(path)}"
        binder = f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?labpath={quote(path, safe='')}"
        blocks.insert(2, LINE.format(colab=colab, binder=binder))  # after the title and the time to read
        setup.source = INSTALL.format(repository=f"https://github.com/{owner}/{name}") + setup.source
    first.source = "\n\n".join(blocks)
    return notebook
