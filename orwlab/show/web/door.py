"""What may come in. The app takes no files, and everything that its page has to say is short."""

from typing import Any

from starlette.responses import PlainTextResponse

LARGEST = 2**20  # bytes that a request may hold
NO_FILES = "This app takes no files."
TOO_LARGE = f"This is too large; allowed: at most {LARGEST} bytes."


class Door:
    """ASGI middleware that refuses files and large bodies, before anything is written down anywhere.

    Args:
        app: what is behind the door.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").strip().lower().startswith(b"multipart/"):
            return await PlainTextResponse(NO_FILES, 403)(scope, receive, send)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > LARGEST:
            return await PlainTextResponse(TOO_LARGE, 413)(scope, receive, send)
        body = b""
        more = True
        while more:  # who does not say how much will come is listened to just as long
            message = await receive()
            if message["type"] != "http.request":
                return None  # gone before the end
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > LARGEST:
                return await PlainTextResponse(TOO_LARGE, 413)(scope, receive, send)
        whole: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

        async def read() -> Any:
            return whole.pop() if whole else await receive()

        return await self.app(scope, read, send)
