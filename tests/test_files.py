"""Files are written whole or not at all, with the permissions and at the place that people expect."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from orwlab import files

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(True)}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path, umask):
    code = (
        f"import os, torch; os.umask({umask}); from orwlab import files; "
        "files.write('x.safetensors', {'a': torch.ones(2)}, {'format': 'f'}); assert os.umask(0) == " + str(umask)
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert mode(tmp_path / "x.safetensors") == 0o666 & ~umask


def test_an_old_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "x.safetensors"
    files.write(path, TENSORS, {"format": "f"})
    for permissions in (0o640, 0o600, 0o664):
        path.chmod(permissions)
        files.write(path, TENSORS, {"format": "f"})
        assert mode(path) == permissions


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.safetensors", tmp_path / "link.safetensors"
    for target in (real, "there/real.safetensors"):  # it may lead to a file that is not there yet, or be relative
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        files.write(link, TENSORS, {"format": "f", "target": str(target)})
        assert link.is_symlink()
        assert not real.is_symlink()
        assert files.read(real, "f")[1]["target"] == str(target)
        assert torch.equal(files.read(link, "f")[0]["a"], TENSORS["a"])


def test_what_is_no_place_for_a_file_is_named(tmp_path):
    loop, pipe = tmp_path / "loop", tmp_path / "pipe"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    (tmp_path / "file").write_text("text")
    bad = [tmp_path, tmp_path / "missing" / "x", tmp_path / "file" / "x", loop, pipe, "", None, 3, b"x", "a\0b", ["x"]]
    for path in bad:
        with pytest.raises(ValueError, match=r"path is .*; allowed: the name of a file"):
            files.write(path, TENSORS, {"format": "f"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "loop", "pipe"]
    for path in (*bad, tmp_path / "file"):
        with pytest.raises(ValueError, match=r"path is .*; allowed: a readable safetensors file"):
            files.read(path, "f")


def test_the_old_file_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    files.write(path, TENSORS, {"format": "f"})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="metadata is"):
        files.write(path, TENSORS, {"format": "f", "reward": object()})
    with pytest.raises(ValueError, match="tensors is"):
        files.write(path, {"a": 1.0}, {"format": "f"})

    def full(tensors, to, metadata):
        to.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(ValueError, match=r"can be written to, which .* is not .no space"):
        files.write(path, TENSORS, {"format": "f"})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_what_comes_back_is_what_was_written(tmp_path):
    tensors = {
        "empty": torch.zeros(0, 3),
        "half": torch.randn(3, generator=torch.Generator().manual_seed(0)).bfloat16(),
        "strided": torch.arange(12.0).reshape(3, 4).T,
        "number": torch.tensor(3, dtype=torch.int64),
        "gradient": torch.ones(2, requires_grad=True),
    }
    tensors["shared"] = tensors["strided"]
    files.write(tmp_path / "x", tensors, {"format": "f", "nested": {"b": [1, 2.5, None]}})
    found, metadata = files.read(tmp_path / "x", "f")
    assert metadata["nested"] == {"b": [1, 2.5, None]}
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    with pytest.raises(ValueError, match="a file of format 'g', not 'f'"):
        files.read(tmp_path / "x", "g")


@pytest.mark.parametrize("entry", ["[1]", "null", "3", "{", '{"format": "f"}', "[" * 100_000])
def test_a_file_with_odd_metadata_is_refused(tmp_path, entry):
    save_file(TENSORS, tmp_path / "x", {"orwlab": entry})
    with pytest.raises(ValueError, match=r"path is"):
        files.read(tmp_path / "x", "f")


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("x", "y"):
        files.write(tmp_path / name, TENSORS, {"format": "f", "b": 1, "a": json.loads('{"z": 1, "y": 2}')})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("write", [files.write, files.write_bytes])
def test_a_full_disk_is_one_sentence_with_the_folder_and_the_old_file_stays(step, write, tmp_path, monkeypatch):
    path, more = tmp_path / "x", ({"format": "f"},) if write is files.write else ()
    first, second = ({"a": torch.ones(1)}, {"a": torch.zeros(1)}) if more else (b"old", b"new")
    write(path, first, *more)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "write":
        monkeypatch.setattr(files, "save_file", full)
        monkeypatch.setattr(type(path), "write_bytes", full)
    else:
        monkeypatch.setattr(os, step, full)
    said = f"path is .*x.*; allowed: a file in a folder that can be written to, which {tmp_path} is not .No space left"
    with pytest.raises(ValueError, match=said):
        write(path, second, *more)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("write", ["save_file", "write_bytes"])
def test_a_folder_that_goes_in_the_middle_is_said(write, tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    place, real = (files, files.save_file) if write == "save_file" else (type(folder), type(folder).write_bytes)

    def gone(*given):
        shutil.rmtree(folder)
        return real(*given)

    monkeypatch.setattr(place, write, gone)
    given = (files.write, TENSORS, {"format": "f"}) if write == "save_file" else (files.write_bytes, b"new")
    with pytest.raises(ValueError, match=f"which {folder} is not .the folder is no longer there; "):
        given[0](folder / "x", *given[1:])


def test_what_is_written_lies_on_the_disk_before_it_takes_its_place_and_its_name_after(tmp_path, monkeypatch):
    done, opened = [], {}
    real = os.fsync, os.replace, os.open

    def open_(path, *more, **others):
        handle = real[2](path, *more, **others)
        opened[handle] = os.fspath(path)
        return handle

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(("to disk", opened[handle])), real[0](handle)))
    monkeypatch.setattr(os, "replace", lambda *of: (done.append(("renamed", *map(os.fspath, of))), real[1](*of)))
    files.write_bytes(tmp_path / "x", b"new")
    (first, written), (second, source, target), (third, folder) = done
    assert (first, second, third) == ("to disk", "renamed", "to disk")
    assert written == source
    assert (target, folder) == (str(tmp_path / "x"), str(tmp_path))


def test_a_file_system_that_cannot_be_asked_to_is_no_reason_to_fail(tmp_path, monkeypatch):
    def cannot(handle):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    files.write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
