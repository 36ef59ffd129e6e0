"""Why something was not had from the Hugging Face hub, in a sentence."""

from os import PathLike
from pathlib import Path


def why(name: str | PathLike[str], error: BaseException) -> str:
    """What a person can do about it.

    Args:
        name: of the model, or its folder.
        error: what a library raised, perhaps because of another error.
    """
    from huggingface_hub import errors

    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if Path(name).is_dir():
        return f"What is in that folder is not one, or not all of it: {first}"
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__

    def was(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in causes)

    if was(errors.GatedRepoError):
        return "Its licence has to be accepted on its page of the hub, by whoever is logged in here (hf auth login)"
    if was(errors.RevisionNotFoundError):
        return "The hub has no such revision of it"
    if was(errors.RepositoryNotFoundError):
        return "The hub has none of that name; or it is private, and nobody is logged in here (hf auth login)"
    if was(errors.HFValidationError):
        return "There is no such folder, and the hub has no such names"
    there = was(errors.EntryNotFoundError) and not was(errors.LocalEntryNotFoundError)  # but a file of it is not
    if was(OSError) and not there:
        return "There is no such folder, and the hub was not reached: without a network, give a folder with the model"
    return first
