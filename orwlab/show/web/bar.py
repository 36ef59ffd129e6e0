"""The bar at the top of every page: where one is, and where else one can go."""

from collections.abc import Mapping


def markup(path: str, pages: Mapping[str, str], up: str = "./") -> str:
    """Its HTML on the page at ``path``, with that page's name as the heading.

    Addresses are relative: the app may lie below a proxy.

    Args:
        path: where one is.
        pages: path -> name of all pages, in their order.
        up: the way from the page's address to the app's.
    """
    here = f'<li aria-current="page"><h1>{pages.get(path, "")}</h1></li>'
    items = (here if other == path else f'<li><a href="{up}{other}">{name}</a></li>' for other, name in pages.items())
    return f'<nav class="studio-pages" aria-label="Pages"><ul>{"".join(items)}</ul></nav>'
