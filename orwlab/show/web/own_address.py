"""Lets a page find its own address, and say itself what it is.

Below a proxy (``/lab/``, JupyterHub) the browser knows the address, and the server not. Gradio writes into the page
under which address the app is reached, as the server sees it. Where a proxy hides a part of the path, or adds TLS, that
is another one than the browser's, and the page would ask there in vain. It also writes into the head what a link to the
page looks like elsewhere: a picture and a name of Gradio's.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orwlab.show.web import preview

_SCRIPT = (Path(__file__).parent / "own_address.js").read_text(encoding="utf-8")
_BASE = re.compile(r"<base\b[^>]*>")
_ROOT = re.compile(r'const root = "(?:[^"\\]|\\.)*";')  # of a script of Gradio's that is fetched from there


class OwnAddress:
    """ASGI middleware that puts ``own_address.js`` into every Gradio page, before anything that needs an address.

    Args:
        app: what serves the pages.
        find: whether pages are to find their address; not where the server was told the whole of it.
        names: path -> name of the pages there are.
    """

    def __init__(self, app: Any, find: bool = True, names: Mapping[str, str] = {}) -> None:
        self.app, self.find, self.names = app, find, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        start: Any = None
        body = b""

        async def pass_on(message: Any) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message  # kept until the length is known
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    path = scope["path"].removeprefix(scope.get("root_path", ""))
                    name = self.names.get(path.strip("/"), "")
                    text = rewritten(body.decode(), path, self.find, name).encode()
                    others = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                    await send({**start, "headers": [*others, (b"content-length", str(len(text)).encode())]})
                    await send({"type": "http.response.body", "body": text})

        return await self.app(scope, receive, pass_on)


def rewritten(page: str, path: str, find: bool = True, name: str = "") -> str:
    """The HTML of a Gradio page that the server knows as ``path``; any other HTML as it is. ``find``: see above.

    ``name`` is what the page is called. To Gradio all pages of an app have the same title.
    """
    if "window.gradio_config" not in page:
        return page
    known = json.dumps(path.rstrip("/")).replace("<", "\\u003c")
    script = f"<script>({_SCRIPT})({known});</script>" if find else ""
    page = _BASE.sub(lambda tag: f"{tag[0]}{script}{preview.head(name)}", preview.without_another(page), count=1)
    page = page.replace(f'"title":"{preview.TITLE}"', f'"title":"{preview.title(name)}"')
    if not find:
        return page
    page = _ROOT.sub("const root = window.gradio_config.root;", page)
    return page.replace('href="/manifest.json"', 'href="./manifest.json"')


def _is_page(start: Any) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return start["status"] == 200 and any(kind.startswith(b"text/html") for kind in kinds)
