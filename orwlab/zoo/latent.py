"""Images in the plane: an autoencoder with two latent numbers, and the density of what it encodes.

Two numbers hold little of a digit. Told only to paint it again, an autoencoder lays some digits over each other: one in
nine comes back as another one. Here its pictures also have to be recognised by a classifier as what they were, a third
term in the loss beside the two of Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv 1312.6114. All but one
in twenty then come back as what they were, though not as they were written: three eighths of how their pixels vary is
lost.
"""

import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.targets import GaussianMixture
from orwlab.velocity import initialise

DIM = 2
PIXEL_STD = 0.35  # of a pixel around what is decoded, where white is 1 and black -1
RECOGNITION = 6.0  # weight of the classifier's cross entropy on what is decoded
REACH = 3.6  # half the side of the square that holds the codes of 99 images in 100: as far as other targets go
BEND = 0.6  # std of the codes, from which on distances from the middle are drawn together, see ``_inwards``
PER_CLASS = 4  # components of the density of a class's codes
NARROWEST = 0.15  # std of a component at least: that of other targets, which the oracle's grid resolves
FARTHEST = 5.0  # units: more than twice as far out as any code
DRAWS = 10  # codes of each image, to which the density is fitted


class Autoencoder(nn.Module):
    """Images to points in the plane and back, by perceptrons.

    Its buffers hold the density of the codes of the images that it was trained on: ``settle`` finds it, ``density``
    gives it.

    Args:
        event_shape: (channels, height, width).
        classes: number of classes.
        width: units of the hidden layers.
        seed: of the initial weights; the global random state is left alone.
    """

    kind = "autoencoder"
    centre: Tensor
    bend: Tensor
    unit: Tensor
    weights: Tensor
    means: Tensor
    covs: Tensor

    def __init__(self, event_shape: tuple[int, int, int], classes: int, width: int = 128, *, seed: int = 0) -> None:
        super().__init__()
        self.event_shape = checks.shape("event_shape", event_shape)
        classes, width = checks.integer("classes", classes), checks.integer("width", width)
        seed = checks.seed("seed", seed)
        self.config = dict(kind=self.kind, event_shape=list(self.event_shape), classes=classes, width=width)
        size, K = torch.Size(self.event_shape).numel(), PER_CLASS * classes
        with torch.inference_mode(False), torch.device("meta"):
            self.encoder = nn.Sequential(nn.Flatten(), *_layers(size, width, 2 * DIM))
            self.decoder = nn.Sequential(*_layers(DIM, width, size), nn.Tanh(), nn.Unflatten(1, self.event_shape))
        initialise(self, seed)
        self.register_buffer("centre", torch.zeros(DIM))  # of the codes as the perceptrons have them
        self.register_buffer("bend", torch.ones(()))  # the distance from it from which on they are drawn together
        self.register_buffer("unit", torch.ones(()))  # by which what comes of that is multiplied
        self.register_buffer("weights", torch.full((K,), 1 / K))
        self.register_buffer("means", torch.zeros(K, DIM))
        self.register_buffer("covs", torch.eye(DIM).repeat(K, 1, 1))

    def encode(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images (n, channels, height, width) -> their codes (n, 2), in x's floating type.

        Args:
            x: images.
            generator: draws each code from what it may be, as the density has it; None: the middle of that.
        """
        x = checks.samples("x", x, self.event_shape)
        code, std = self._posterior(x.to(self.unit))
        if generator is not None:
            generator = checks.generator("generator", generator)
            code = code + std * torch.randn(code.shape, generator=generator, dtype=torch.float32).to(code)
        return self._inwards(code).to(x)

    def decode(self, z: Tensor) -> Tensor:
        """Points (n, 2) -> images (n, channels, height, width) in [-1, 1], in z's floating type."""
        z = checks.points("z", z, (DIM,))
        return self.decoder(self._outwards(z.to(self.unit))).to(z)

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.encoder(x).split(DIM, 1)
        return mean, log_std.clamp(-6.0, 2.0).exp()

    def _inwards(self, code: Tensor) -> Tensor:
        """Codes as the perceptrons have them -> in the plane: r -> unit asinh(r / bend), the direction as it is.

        The codes of a standard normal law crowd in the middle. So drawn, they lie more evenly.
        """
        away = (code - self.centre) / self.bend
        r = away.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return self.unit * away * (r.asinh() / r)

    def _outwards(self, z: Tensor) -> Tensor:
        """``_inwards`` the other way round; what is farther out than any code counts as if it were nearer."""
        r = (z / self.unit).norm(dim=1, keepdim=True).clamp_min(1e-12)
        return self.centre + self.bend * z / self.unit * (r.clamp_max(FARTHEST).sinh() / r)

    def losses(self, x: Tensor, generator: torch.Generator, noise: float = 0.0) -> tuple[Tensor, Tensor]:
        """The negative evidence bound of images (n, ...) in nats, but for a constant, and what they were decoded to.

        Args:
            x: images.
            generator: draws the codes.
            noise: std of what is added to the images before they are encoded.
        """
        mean, std = self._posterior(x + noise * torch.randn(x.shape, generator=generator, dtype=torch.float32))
        y = self.decoder(mean + std * torch.randn(mean.shape, generator=generator, dtype=torch.float32))
        fit = (y - x).square().flatten(1).sum(1) / (2 * PIXEL_STD**2)
        kl = ((mean.square() + std.square() - 1) / 2 - std.log()).sum(1)  # to N(0, I)
        return (fit + kl).mean(), y

    @torch.no_grad()
    def settle(self, x: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        """Let the codes of images fill the square of side 2 ``REACH`` around 0, and find their density.

        Each class has ``PER_CLASS`` Gaussians, by expectation and maximisation. No axis of them is narrower than
        ``NARROWEST``: what is finer is lost.

        Args:
            x: images (n, ...).
            labels: their classes, (n,).
            generator: draws codes.
        """
        from sklearn import mixture  # here: it takes a while, and only training needs it

        mean, _ = self._posterior(x)
        self.centre.copy_(mean.mean(0))
        self.bend.copy_(BEND * mean.std(0).mean())
        self.unit.fill_(1.0)
        self.unit.copy_(REACH / self.encode(x).abs().amax(1).quantile(0.99))
        z = torch.stack([self.encode(x, generator) for _ in range(DRAWS)])  # (DRAWS, n, 2)
        parts = []
        for k in range(len(self.weights) // PER_CLASS):
            codes = z[:, labels == k].reshape(-1, DIM).double().numpy()
            fit = mixture.GaussianMixture(PER_CLASS, n_init=3, random_state=k).fit(codes)
            parts.append((len(codes) * fit.weights_, fit.means_, fit.covariances_))
        weights, means, covs = (torch.cat([torch.from_numpy(part) for part in column]) for column in zip(*parts))
        spread, axes = torch.linalg.eigh(covs)
        covs = (axes * spread.clamp_min(NARROWEST**2)[:, None]) @ axes.mT
        for buffer, found in ((self.weights, weights / weights.sum()), (self.means, means), (self.covs, covs)):
            buffer.copy_(found)

    def density(self, name: str) -> GaussianMixture:
        """The density of the codes, called ``name``; its modes are the classes."""
        modes = torch.arange(len(self.weights) // PER_CLASS).repeat_interleave(PER_CLASS)
        covs = (self.covs + self.covs.mT) / 2  # rounding left them a little askew
        return GaussianMixture(self.weights, self.means, covs, modes, name)


def _layers(inside: int, width: int, outside: int) -> list[nn.Module]:
    return [nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outside)]
