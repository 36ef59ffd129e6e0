"""The checks of notebook 09 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import numpy as np
import pytest
import torch
from scipy import fft

from orwlab.teach.exercises import photographs as exercises


def effective_share(sizes, unit):
    w = (-sizes / unit).softmax(0)
    return 1 / (len(w) * w.square().sum())


def blocks_of(levels):
    high, wide = levels.shape
    return levels.reshape(high // 8, 8, wide // 8, 8).swapaxes(1, 2)


def coefficients_kept(levels, step):
    return np.count_nonzero(np.rint(fft.dctn(blocks_of(levels - 128), axes=(-2, -1), norm="ortho") / step))


def looks_like_data(x, data, k):
    reach = torch.cdist(data, data).kthvalue(k + 1, dim=1).values
    return (torch.cdist(x, data) <= reach).any(1).double().mean()


def best_of(r, k):
    up_to = (torch.arange(len(r) + 1, dtype=torch.float64) / len(r)) ** k
    return (r.sort().values * up_to.diff()).sum()


def test_right_answers_pass(capsys):
    exercises.effective_share(effective_share)
    exercises.coefficients_kept(coefficients_kept)
    exercises.looks_like_data(looks_like_data)
    exercises.best_of(best_of)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 5 + 6 + 4 + 5
    assert "NO" not in printed


def by_formula(sizes, unit):
    w = torch.exp(-sizes / unit)
    return w.sum() ** 2 / (len(w) * (w**2).sum())


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (by_formula, "added to all sizes|0 over 0"),
        (lambda s, unit: len(s) * effective_share(s, unit), "over n"),
        (lambda s, unit: effective_share(-s, 2 * unit), "small file"),
        (lambda s, unit: effective_share(s, 1 / unit), "small file"),
        (lambda s, unit: effective_share(s * unit, 1.0), "small file"),
        (lambda s, unit: (-s / unit).softmax(0).max(), "square of the sum"),
        (lambda s, unit: torch.ones(()), "small file"),
        (lambda s, unit: effective_share(s - s.mean(), 100.0), "small file"),
        (lambda s, unit: (w := (-s / unit).softmax(0)).sum() / (len(w) * w.square().sum().sqrt()), "square of the sum"),
    ],
)
def test_wrong_shares_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.effective_share(wrong)


def of_the_whole(levels, step):
    return np.count_nonzero(np.rint(fft.dctn(levels - 128, norm="ortho") / step))


def without_middle(levels, step):
    return coefficients_kept(levels + 128, step)


def in_another_order(levels, step):
    blocks = (levels - 128).reshape(-1, 8, 8)
    return np.count_nonzero(np.rint(fft.dctn(blocks, axes=(-2, -1), norm="ortho") / step))


def cut_off(levels, step):
    return np.count_nonzero(np.abs(fft.dctn(blocks_of(levels - 128), axes=(-2, -1), norm="ortho")) > 1e-6)


def over_all_axes(levels, step):
    return np.count_nonzero(np.rint(fft.dctn(blocks_of(levels - 128), norm="ortho") / step))


def down_only(levels, step):
    return np.count_nonzero(np.rint(fft.dct(blocks_of(levels - 128), axis=-2, norm="ortho") / step))


def zeros(levels, step):
    return levels.size - coefficients_kept(levels, step)


def times_the_step(levels, step):
    return coefficients_kept((levels - 128) * step**2 + 128, step)


@pytest.mark.parametrize(
    "wrong",
    [of_the_whole, without_middle, in_another_order, cut_off, over_all_axes, down_only, zeros, times_the_step],
)
def test_wrong_counts_fail(wrong):
    with pytest.raises(AssertionError, match=r"NO\n(Take 128|Every block|Divide)"):
        exercises.coefficients_kept(wrong)


def counting_itself(x, data, k):
    return (torch.cdist(x, data) <= torch.cdist(data, data).kthvalue(k, dim=1).values).any(1).double().mean()


def one_reach(x, data, k):
    reach = torch.cdist(data, data).kthvalue(k + 1, dim=1).values.max()
    return (torch.cdist(x, data) <= reach).any(1).double().mean()


def recall(x, data, k):
    return looks_like_data(data, x, min(k, len(x) - 1))


def the_share_of_data(x, data, k):
    reach = torch.cdist(data, data).kthvalue(k + 1, dim=1).values
    return (torch.cdist(x, data) <= reach).any(0).double().mean()


def of_all_pairs(x, data, k):
    return (torch.cdist(x, data) <= torch.cdist(data, data).kthvalue(k + 1, dim=1).values).double().mean()


def always_the_nearest(x, data, k):
    return looks_like_data(x, data, 1)


def within_its_nearest(x, data, k):
    reach = torch.cdist(data, data).kthvalue(k + 1, dim=1).values
    nearest = torch.cdist(x, data).min(1)
    return (nearest.values <= reach[nearest.indices]).double().mean()


def how_many(x, data, k):
    return len(x) * looks_like_data(x, data, k)


@pytest.mark.parametrize(
    "wrong",
    [
        counting_itself,
        one_reach,
        recall,
        the_share_of_data,
        of_all_pairs,
        always_the_nearest,
        within_its_nearest,
        how_many,
    ],
)
def test_wrong_precisions_fail(wrong):
    with pytest.raises(AssertionError, match="NO\n"):
        exercises.looks_like_data(wrong)


def smallest(r, k):
    return -best_of(-r, k)


def unsorted(r, k):
    return (r * (torch.arange(len(r) + 1, dtype=torch.float64) / len(r)).pow(k).diff()).sum()


def at_most(r, k):
    return (r.sort().values * (torch.arange(1, len(r) + 1) / len(r)).double() ** k).sum()


def quantile(r, k):
    return r.double().quantile(k / (k + 1))


def drawn(r, k):
    picks = torch.randint(len(r), (2000, min(k, 1000)), generator=torch.Generator().manual_seed(0))
    return r[picks].max(1).values.double().mean()


def shifted(r, k):
    return best_of(r, k + 1)


@pytest.mark.parametrize("wrong", [smallest, unsorted, at_most, quantile, drawn, shifted, lambda r, k: r.max()])
def test_wrong_bests_fail(wrong):
    with pytest.raises(AssertionError, match="NO\nSort"):
        exercises.best_of(wrong)
