"""Real pictures: what ships with libraries, the files in which MNIST and CIFAR-10 come, folders of one's own."""

import gzip
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from orwlab import data
from orwlab.data import formats, labelled, pictures


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Files in which data sets are handed out ------------------------------------------------------------------------------


def idx_bytes(array):
    shape = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def write_mnist(folder, ending="", n=(6, 4)):
    made = {}
    for name, count in zip(("train", "t10k"), n):
        images, labels = some_levels(count, 28, 28, seed=count), np.arange(count, dtype=np.uint8) % 10
        made[name] = images, labels
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            (folder / f"{name}-{kind}{ending}").write_bytes(gzip.compress(content) if ending else content)
    return made


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_is_read_from_its_files(tmp_path, ending):
    made = write_mnist(tmp_path, ending)
    for split, part in (("train", "train"), ("test", "t10k")):
        images, labels = data.digits(split, tmp_path)
        assert images.shape == (len(made[part][0]), 1, 28, 28)
        assert (data.as_bytes(images)[..., 0] == made[part][0]).all(), "levels come back unchanged"
        assert labels.tolist() == made[part][1].tolist()
    assert len(data.digits("all", str(tmp_path))[0]) == 10


def test_the_folder_that_torchvision_makes_is_understood(tmp_path):
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    write_mnist(tmp_path / "MNIST" / "raw")
    assert data.digits("train", tmp_path)[0].shape == (6, 1, 28, 28)


def write_cifar(folder, python, rows=3):
    made = []
    for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        images, labels = some_levels(rows, 3072, seed=k), [(k + i) % 10 for i in range(rows)]
        made.append((images.reshape(-1, 3, 32, 32), labels))
        if python:
            with open(folder / name, "wb") as file:
                pickle.dump({b"data": images, b"labels": labels, b"batch_label": b"some"}, file, protocol=2)
        else:
            lines = np.concatenate([np.array(labels, np.uint8)[:, None], images], axis=1)
            (folder / f"{name}.bin").write_bytes(lines.tobytes())
    return made


@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("inside", ["", "its own"])
def test_cifar_10_is_read_from_its_files(tmp_path, python, inside):
    folder = tmp_path / (inside and ("cifar-10-batches-py" if python else "cifar-10-batches-bin"))
    folder.mkdir(exist_ok=True)
    made = write_cifar(folder, python)
    images, labels = data.cifar10("train", tmp_path)
    assert images.shape == (15, 3, 32, 32)
    assert (data.as_bytes(images).transpose(0, 3, 1, 2) == np.concatenate([x for x, _ in made[:5]])).all()
    assert labels.tolist() == [label for _, y in made[:5] for label in y]
    assert data.cifar10("test", tmp_path)[1].tolist() == made[5][1]
    assert data.cifar10("all", tmp_path)[0].shape == (18, 3, 32, 32)
    pool = data.small_photographs(tmp_path)
    assert pool.names[0] == "airplane"
    assert pool.sample(4, generator=seeded()).shape == (4, 3, 32, 32)


class Nasty:
    def __reduce__(self):
        return print, ("this must never be printed",)


class Reduced:
    """Asks a reader to call something with something."""

    def __init__(self, f, *arguments):
        self.how = f, arguments

    def __reduce__(self):
        return self.how


POINTERS = Reduced(np.ndarray, (3,), np.dtype("O"), bytes(24))  # addresses of the attacker's choice


@pytest.mark.parametrize(
    "content",
    [
        {b"data": POINTERS, b"labels": POINTERS},
        {b"data": np.array([None, 1], dtype=object), b"labels": [0, 1]},
        {b"data": np.zeros((2, 3072)), b"labels": [0, 1]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0.5, 1]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": ["0", "1"]},
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_of_other_arrays_is_refused(tmp_path, content, protocol):
    file = tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(ValueError, match=r"file is .*; allowed: "):
        formats.cifar_pickle(file)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("kind", [list, np.int64, ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_pickle_of_any_protocol_is_read(tmp_path, protocol, kind, order):
    images, labels = some_levels(3, 3072), [7, 0, 9]
    given = labels if kind is list else np.array(labels, dtype=kind)
    file = tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps({b"data": np.asarray(images, order=order), b"labels": given}, protocol=protocol))
    found, said = formats.cifar_pickle(file)
    assert (found.reshape(3, -1) == images).all()
    assert said.tolist() == labels


@pytest.mark.parametrize("content", [{b"data": Nasty()}, Nasty(), {b"data": 3, b"labels": []}, [1], "text"])
def test_a_pickle_cannot_run_anything(tmp_path, capsys, content):
    file = tmp_path / "data_batch_1"
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="file is "):
        formats.cifar_pickle(file)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"", formats.idx),
        (b"\0\0\x08", formats.idx),
        (b"\0\0\x09\x01\0\0\0\x01\0", formats.idx),  # whole numbers of another kind
        (idx_bytes(some_levels(3, 4))[:-1], formats.idx),
        (idx_bytes(some_levels(3, 4)) + b"\0", formats.idx),
        (b"\0\0\x08\xff", formats.idx),
        (b"", formats.cifar_binary),
        (b"\0" * 3072, formats.cifar_binary),
        (b"\x0a" + b"\0" * 3072, formats.cifar_binary),  # no label 10
        (b"\x80\x04.", formats.cifar_pickle),
        (b"", formats.cifar_pickle),
    ],
)
def test_damaged_files_are_named(tmp_path, content, read):
    file = tmp_path / "some_file"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"file is .*some_file.*; allowed: "):
        read(file)


def test_what_is_cut_off_or_missing_is_named(tmp_path):
    write_mnist(tmp_path, ".gz")
    whole = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[:-30])
    with pytest.raises(ValueError, match=r"file is .*train-images.*; allowed: a whole file"):
        data.digits("train", tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(3, np.uint8))))
    with pytest.raises(ValueError, match="belong together"):
        data.digits("test", tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ValueError, match=r"source is .*; allowed: a folder that holds train-images-idx3-ubyte"):
        data.digits("all", tmp_path)
    write_cifar(tmp_path, python=False)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(ValueError, match=r"no data_batch_4\.bin"):
        data.cifar10("train", tmp_path)
    with pytest.raises(ValueError, match=r"source is .*; allowed: a folder that holds data_batch_1"):
        data.cifar10("train", tmp_path / "..")


# Libraries that fetch -------------------------------------------------------------------------------------------------


class Library(types.ModuleType):
    """Stands in for one that is not installed here; it answers as the real one's documentation says."""

    def __init__(self, **functions):
        super().__init__("library")
        self.__dict__.update(functions)


@pytest.mark.parametrize("source", ["torchvision", "datasets"])
def test_a_library_that_is_not_installed_is_named(monkeypatch, source):
    for name in ("torchvision", "torchvision.datasets", "datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    for read in (data.digits, data.cifar10):
        with pytest.raises(ValueError, match=rf"source is '{source}'; allowed: .*pip install {source}"):
            read("train", source)


def test_torchvision_and_datasets_are_asked_for_the_same_images(monkeypatch):
    levels, colours, labels = some_levels(4, 28, 28), some_levels(4, 32, 32, 3), [3, 1, 4, 1]
    asked = []

    def of_torchvision(images, targets):
        def make(root, train, download):
            asked.append((train, download))
            return types.SimpleNamespace(data=images, targets=targets)

        return make

    sets = Library(MNIST=of_torchvision(torch.from_numpy(levels), torch.tensor(labels)))
    sets.CIFAR10 = of_torchvision(colours, labels)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", sets)

    def load_dataset(name, split):
        asked.append((name, split))
        column, images = ("image", levels) if "mnist" in name else ("img", colours)
        return {column: [Image.fromarray(image) for image in images], "label": labels}

    monkeypatch.setitem(sys.modules, "datasets", Library(load_dataset=load_dataset))
    for read, shape in ((data.digits, (4, 1, 28, 28)), (data.cifar10, (4, 3, 32, 32))):
        (one, first), (other, second) = (read("train", source) for source in ("torchvision", "datasets"))
        assert one.shape == shape
        assert torch.equal(one, other)
        assert first.tolist() == second.tolist() == labels
    assert torch.equal(data.as_images(colours.transpose(0, 3, 1, 2)), data.cifar10("train", "datasets")[0])
    assert (True, True) in asked
    assert ("ylecun/mnist", "train") in asked


def test_what_a_library_cannot_fetch_is_said(monkeypatch):
    def fails(*arguments, **options):
        raise RuntimeError("no network")

    monkeypatch.setitem(sys.modules, "torchvision.datasets", Library(MNIST=fails))
    monkeypatch.setitem(sys.modules, "datasets", Library(load_dataset=fails))
    for source in ("torchvision", "datasets"):
        with pytest.raises(ValueError, match=rf"source is '{source}'; allowed: .*no network"):
            data.digits("train", source)


@pytest.mark.parametrize("source", ["mnist", "", None, 3, b"x", "~nobody/there", "\0", "x" * 5000, np.zeros(3)])
def test_no_such_source(source):
    for read in (data.digits, data.cifar10):
        with pytest.raises(ValueError, match=r"source is .*no such folder"):
            read("train", source)
    if source is not None:  # which stands for what ships with libraries
        with pytest.raises(ValueError, match="source is"):
            data.small_photographs(source)


# What ships with libraries --------------------------------------------------------------------------------------------


def test_the_data_are_the_real_digits():
    images, labels = data.digits("all")
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (-1, 1)
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    train, test = data.digits("train")[0], data.digits("test")[0]
    assert len(train) - len(test) == 1
    assert len(train) + len(test) == 1797
    assert torch.cdist(train.flatten(1), test.flatten(1)).min() > 0
    with pytest.raises(ValueError, match="split is 'validation'"):
        data.digits("validation")


def test_a_pool_draws_its_own_images_with_their_labels():
    images = torch.arange(5.0).reshape(5, 1, 1, 1)
    pool = data.Pool(images, torch.tensor([4, 3, 2, 1, 0]))
    x, labels = pool.draw(2000, generator=seeded())
    assert (x.flatten() + labels == 4).all()
    assert labels.bincount().min() > 300
    assert torch.equal(pool.sample(7, generator=seeded(1)), pool.draw(7, generator=seeded(1))[0])
    assert pool.names == ("0", "1", "2", "3", "4")
    for odd in ([0, 1], None, torch.tensor([0, 1]), torch.tensor([0, 1, 2, 3, -1]), torch.zeros(5)):
        with pytest.raises(ValueError, match="labels is"):
            data.Pool(images, odd)
    with pytest.raises(ValueError, match=r"labels is .*from 0 to 1"):
        data.Pool(images, torch.arange(5), ("a", "b"))
    for odd in ("ab", 3, [1, 2]):
        with pytest.raises(ValueError, match="names is"):
            data.Pool(images, torch.arange(5), odd)


def test_patches_are_cut_from_the_photographs():
    law = data.Patches()
    x, which = law.draw(400, generator=seeded())
    assert x.shape == (400, 3, 32, 32)
    assert (x.min() >= -1).item()
    assert (x.max() <= 1).item()
    assert law.names == tuple(data.CREDITS)
    assert which.bincount(minlength=6).min() > 20, "every photograph is there"
    assert torch.equal(x, law.draw(400, generator=seeded())[0])
    astronaut = x[which == 2].mean((0, 2, 3))
    flower = x[which == 1].mean((0, 2, 3))
    assert (astronaut - flower).norm() > 0.1, "photographs differ in colour"


def test_patches_of_one_s_own_pictures_are_where_they_were(tmp_path):
    ramp = np.repeat(np.arange(0, 120, 2, dtype=np.uint8)[None, :, None], 50, 0).repeat(3, 2)  # brighter to the right
    for law in (data.Patches([ramp], size=8, shrink=1), data.Patches(save(tmp_path, ramp), size=8, shrink=1)):
        x = law.sample(300, generator=seeded())
        rises = (x[:, 0, 0, -1] - x[:, 0, 0, 0]) * 127.5
        assert rises.abs().allclose(torch.tensor(14.0)), "a patch is as steep as its picture"
        assert 0.4 < (rises > 0).double().mean() < 0.6, "half of them are turned round"
        assert x[:, 0, 0].min() == -1, "the left edge is reached"
        assert x[:, 0, 0].max() == torch.tensor(118.0) / 127.5 - 1, "and the right one"


def save(folder, levels, name="a.png", **options):
    Image.fromarray(levels).save(folder / name, **options)
    return folder


def test_a_library_without_photographs_is_named(monkeypatch):
    data.photographs.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ValueError, match=r"source is 'scikit-image'; allowed: .*pip install"):
        data.Patches()


# Picture files --------------------------------------------------------------------------------------------------------


def test_levels_and_numbers_are_one():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    x = data.as_images(levels)
    assert (x.min(), x.max()) == (-1, 1)
    assert (data.as_bytes(x)[..., 0] == levels[0]).all()
    assert data.as_bytes(torch.full((1, 3, 2, 2), 7.0)).max() == 255, "clipped, as on a screen"
    assert data.as_bytes(np.full((2, 3, 4, 5), -1.0)).shape == (2, 4, 5, 3)
    for odd in ([300], [-1], [], ["a"], None):
        with pytest.raises(ValueError, match="levels is"):
            data.as_images(odd)


@pytest.mark.parametrize(
    ("x", "channels"),
    [
        (torch.zeros(2, 1, 4, 4), 3),
        (torch.zeros(2, 3, 4, 4), 1),
        (torch.zeros(2, 2, 4, 4), None),
        (torch.zeros(3, 4, 4), None),
        (torch.zeros(1, 3, 0, 4), 3),
        (torch.full((1, 3, 4, 4), torch.nan), 3),
        ("a.png", 3),
        (None, None),
    ],
)
def test_what_are_no_images_is_named(x, channels):
    with pytest.raises(ValueError, match=r"x (is|holds) .*allowed: finite images of shape"):
        data.as_bytes(x, channels)


def test_pictures_of_any_kind_are_read(tmp_path):
    colour = some_levels(6, 5, 3)
    save(tmp_path, colour, "b.png")
    save(tmp_path, colour, "C.BMP")
    save(tmp_path, np.dstack([colour, np.full((6, 5), 255, np.uint8)]), "d.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "inside.png").mkdir()
    found = data.folder(tmp_path)
    assert len(found) == 3
    for one in found:
        assert (one == colour).all()
    greys = data.folder(str(tmp_path), channels=1)
    assert {one.shape for one in greys} == {(6, 5, 1)}


def test_what_is_clear_is_white_and_what_lies_on_its_side_is_turned(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    assert (pictures.picture(save(tmp_path, clear) / "a.png") == 255).all()
    wide = np.zeros((2, 6, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright
    assert pictures.picture(save(tmp_path, wide, "b.png", exif=exif) / "b.png").shape == (6, 2, 3)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16", "F"])
def test_grey_is_not_passed_off_as_colour(tmp_path, mode):
    file = tmp_path / "grey.tif"
    Image.new(mode, (5, 4)).save(file)
    with pytest.raises(ValueError, match=r"picture is .*grey\.tif.*; allowed: a colour picture \(this one is grey\)"):
        pictures.picture(file)
    if mode in ("L", "1", "LA"):
        assert pictures.picture(file, channels=1).shape == (4, 5, 1)


@pytest.mark.parametrize("keep", [0, 10, 60, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.gif", "a.webp"])
def test_a_damaged_picture_is_named(tmp_path, name, keep):
    file = save(tmp_path, some_levels(40, 40, 3), name) / name
    whole = file.read_bytes()
    file.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=r"picture is .*a\.\w+.*; allowed: "):
        pictures.picture(file)


def test_folders_that_will_not_do_are_named(tmp_path):
    for odd in (tmp_path / "missing", "", None, 3, tmp_path / "file"):
        if odd == tmp_path / "file":
            odd.write_text("x")
        with pytest.raises(ValueError, match=r"folder is .*; allowed: a folder"):
            data.folder(odd if odd != "" else str(tmp_path / "no"))
    with pytest.raises(ValueError, match=r"folder is .*; allowed: a folder with pictures in it .*there are none"):
        data.folder(tmp_path)
    with pytest.raises(ValueError, match="channels is 4"):
        data.folder(tmp_path, channels=4)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"picture is .*a\.png"):
        data.Patches(tmp_path)


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 20)
    with pytest.raises(ValueError, match=r"picture is .*; allowed: at most 20 pixels"):
        pictures.picture(save(tmp_path, some_levels(5, 5, 3)) / "a.png")


@pytest.mark.parametrize("source", [[], 3, [np.zeros((40, 40), np.uint8)], [np.zeros((200, 200, 3))], [None]])
def test_what_are_no_pictures_is_named(source):
    with pytest.raises(ValueError, match="source is"):
        data.Patches(source)


def test_pictures_that_are_too_small_are_named():
    with pytest.raises(ValueError, match=r"picture number 0, 50 x 90 pixels.*at least 160 pixels a side"):
        data.Patches([some_levels(90, 50, 3)])
    for arguments, named in (({"size": 0}, "size is 0"), ({"shrink": 0.5}, "shrink is 0.5")):
        with pytest.raises(ValueError, match=named):
            data.Patches([some_levels(90, 90, 3)], **arguments)


def test_a_picture_that_is_too_small_is_named_by_its_file(tmp_path):
    save(tmp_path, some_levels(200, 200, 3), "large.png")
    save(tmp_path, some_levels(40, 200, 3), "small.png")
    with pytest.raises(ValueError, match=r"source is 'picture small\.png, 200 x 40 pixels'"):
        data.Patches(tmp_path)
    (tmp_path / "small.png").unlink()
    assert data.Patches(tmp_path).names == ("large.png",)


def test_photographs_are_shared_and_stay_as_they_are():
    with pytest.raises(ValueError, match="read-only"):
        data.photographs()["china"][:] = 0


def test_labels_that_are_no_digits_are_named(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 1, 2, 3, 4, 47], np.uint8)))
    with pytest.raises(ValueError, match=r"source is .*labels 0 \.\. 9; they go to 47"):
        data.digits("train", tmp_path)


def test_the_names_of_cifar_s_classes():
    assert len(labelled.CIFAR10) == 10
    assert labelled.CIFAR10[8] == "ship"
