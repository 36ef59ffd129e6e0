"""What libraries say about themselves while they load is not for the person who runs them."""

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def libraries() -> Iterator[None]:
    """Within the block diffusers and transformers show errors only, and no bars but those of downloads."""
    import transformers
    from huggingface_hub.utils import logging as hub

    spoken = [transformers.utils.logging]
    tries = hub.get_verbosity()  # it tells of each time that it tries to reach the hub once more
    hub.set_verbosity_error()
    levels = [logging.get_verbosity() for logging in spoken]
    bars = [logging.is_progress_bar_enabled() for logging in spoken]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logging in spoken:
                logging.set_verbosity_error()
                logging.disable_progress_bar()
            import diffusers  # while transformers is quiet: it warns of what it does not find

            spoken.append(diffusers.utils.logging)
            levels.append(diffusers.utils.logging.get_verbosity())
            bars.append(diffusers.utils.logging.is_progress_bar_enabled())
            diffusers.utils.logging.set_verbosity_error()
            diffusers.utils.logging.disable_progress_bar()
            yield
    finally:
        hub.set_verbosity(tries)
        for logging, level, bar in zip(spoken, levels, bars):
            logging.set_verbosity(level)
            if bar:
                logging.enable_progress_bar()
