import os
import signal

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")  # read when these are imported: no test fetches a model

import pytest
import torch

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes that tests start listen to it again


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def global_random_state_is_left_alone():
    """No call of the package may draw from, or reseed, torch's global generator."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before), "the test moved torch's global random state"


@pytest.fixture(scope="session")
def site(request, tmp_path_factory):
    """The folder of the site as it would be built now; several runs of pytest read the same build."""
    import built_site

    cache = getattr(request.config, "cache", None)  # some people run pytest without one
    return built_site.at(cache.mkdir("site") if cache else tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def prepared():
    """The names that the setup cell of a notebook, given by its path, defines; made once a notebook."""
    import nbformat

    from orwlab.teach import notebooks

    made = {}

    def names(path):
        if path not in made:
            made[path] = {}
            setup = notebooks.setup(nbformat.read(path, as_version=4))
            exec(compile(setup, f"{path.name}, setup", "exec"), made[path])
        return dict(made[path])

    return names
