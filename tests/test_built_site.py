"""The build of the site that tests share: made once, and made again as soon as anything is different."""

import os
import subprocess
import sys
import time
from pathlib import Path

import built_site
import pytest

HERE = Path(__file__).parent


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small checkout with a build script that joins two files, in place of the site's."""
    root = tmp_path / "house"
    for name, text in {
        "site/build.py": (
            "import sys; from pathlib import Path; ROOT = Path(__file__).parents[1]; out = Path(sys.argv[1])\n"
            "import room\n"
            "out.mkdir(); (out / 'index.html').write_text((ROOT / 'README.md').read_text() + room.WORD)\n"
        ),
        "room/__init__.py": "WORD = 'one'\n",
        "README.md": "read me, ",
        "tests/test_x.py": "",
        ".hidden": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(built_site, "ROOT", root)
    monkeypatch.setattr(built_site, "PACKAGE", root / "room")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # what is changed here is as long as before, in the same second
    return root


def test_a_build_is_used_again_and_never_when_a_file_has_changed(house, tmp_path):
    first = built_site.at(tmp_path)
    assert (first / "index.html").read_text() == "read me, one"
    (first / "index.html").write_text("as it was")
    assert built_site.at(tmp_path) == first
    assert (first / "index.html").read_text() == "as it was"
    (house / "room/__init__.py").write_text("WORD = 'two'\n")
    assert (built_site.at(tmp_path) / "index.html").read_text() == "read me, two"
    (house / "room/__init__.py").write_text("WORD = 'one'\n")
    assert built_site.at(tmp_path) == first
    assert house / "README.md" in built_site.read(first)


def changes():
    def write(house):
        (house / "README.md").write_text("read me; ")

    def add(house):
        (house / "room/more.json").write_text("{}")

    def remove(house):
        (house / "README.md").unlink()

    def rename(house):
        (house / "README.md").rename(house / "READ.md")

    return [write, add, remove, rename]


@pytest.mark.parametrize("change", changes(), ids=lambda change: change.__name__)
def test_every_change_of_the_checkout_counts(house, change):
    before = built_site.decides()
    assert built_site.decides() == before
    change(house)
    assert built_site.decides() != before


def test_what_no_build_reads_does_not_count(house, monkeypatch):
    before = built_site.decides()
    (house / "tests/test_x.py").write_text("assert True")
    (house / ".hidden").write_text("other")
    monkeypatch.setenv("ORWLAB_ROOMS", "")  # no build gets it
    assert built_site.decides() == before


def test_what_is_installed_and_the_language_count(house, tmp_path, monkeypatch):
    before = built_site.decides()
    folder = tmp_path / "library/furo-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: furo\nVersion: 1.0\n")
    (folder / "RECORD").write_text("furo/__init__.py,sha256=one,5\n")
    monkeypatch.syspath_prepend(tmp_path / "library")  # of this process alone
    assert built_site.decides() == before
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    there = built_site.decides()
    (folder / "RECORD").write_text("furo/__init__.py,sha256=two,5\n")  # the same version, from other files
    again = built_site.decides()
    monkeypatch.setenv("LC_ALL", "tlh")
    assert len({*map(tuple, (before, there, again, built_site.decides()))}) == 4


def test_a_package_beside_the_checkout_counts(house, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere/room"
    elsewhere.mkdir(parents=True)
    (elsewhere / "__init__.py").write_text("WORD = 'elsewhere'\n")
    monkeypatch.setattr(built_site, "PACKAGE", elsewhere)
    before = built_site.decides()
    assert (built_site.at(tmp_path) / "index.html").read_text() == "read me, elsewhere"
    (elsewhere / "__init__.py").write_text("WORD = 'changed'\n")
    assert built_site.decides() != before


def test_processes_that_ask_at_once_build_once(house, tmp_path):
    log, slow = tmp_path / "log", house / "site/build.py"
    slow.write_text(f"{slow.read_text()}open({str(log)!r}, 'a').write('built '); import time; time.sleep(0.5)\n")
    ask = (
        "import sys; sys.path.insert(0, sys.argv[1]); import built_site; from pathlib import Path\n"
        "built_site.ROOT, built_site.PACKAGE = Path(sys.argv[2]), Path(sys.argv[2]) / 'room'\n"
        "print((built_site.at(Path(sys.argv[3])) / 'index.html').read_text(), end='')\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", ask, HERE, house, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate(timeout=120)[0] for run in runs] == ["read me, one"] * 2
    assert log.read_text() == "built "


def test_what_is_changed_during_a_build_is_built_again(house, tmp_path):
    build = house / "site/build.py"
    build.write_text(f"{build.read_text()}(ROOT / 'README.md').write_text('changed, ')\n")
    assert (built_site.at(tmp_path) / "index.html").read_text() == "changed, one"


def test_a_build_that_fails_or_warns_is_told_and_not_kept(house, tmp_path):
    build, works = house / "site/build.py", (house / "site/build.py").read_text()
    for fault, words in (("sys.exit('no')", "no"), ("print('a warning', file=sys.stderr)", "a warning")):
        build.write_text(f"{works}{fault}\n")
        for _ in range(2):
            with pytest.raises(AssertionError, match=words):
                built_site.at(tmp_path)
    build.write_text(works)
    assert (built_site.at(tmp_path) / "index.html").exists()


def test_old_builds_go_when_a_new_one_is_made_but_not_those_in_use(house, tmp_path):
    def changed(words):
        (house / "README.md").write_text(words)
        return built_site.at(tmp_path)

    first, second = changed("first, "), changed("second, ")
    assert first.is_dir()
    long_ago = time.time() - built_site.KEPT - 60
    os.utime(first.parent, (long_ago, long_ago))
    third = changed("third, ")
    assert not first.exists()
    assert second.is_dir()
    assert third.is_dir()
