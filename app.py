"""The app: ``python app.py``, then open the address it prints. HOST and PORT (environment) say where it listens,
ORWLAB_VISITORS how many people may use it at once.
"""

import os
import signal
import socket
import sys


def address() -> tuple[str, int]:
    """HOST and PORT, checked; leaves with a sentence if nothing can listen there."""
    host, text = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "7860")
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT is {text!r}; allowed: a whole number from 1 to 65535")
    port = int(text)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        sys.exit(
            f"Cannot listen on {host}:{port}: {error.strerror}.\n"
            f"Another program may be using it; choose another port, for example: PORT={port % 65535 + 1} python app.py"
        )
    return host, port


def main() -> None:
    """Build the studio and serve it until interrupted."""
    host, port = address()
    print("Starting orwlab ...", flush=True)  # the imports below take some seconds
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: no request leaves this machine
    from orwlab.show.web.workers import Pool

    pool = Pool()  # its processes start while the lines below import torch and Gradio
    from orwlab.show.web import pages
    from orwlab.show.web.broadcast import Registry

    try:
        registry = Registry(pool=pool)
    except ValueError as error:  # ORWLAB_VISITORS
        sys.exit(str(error))
    demo = pages.build(registry)
    demo.launch(
        server_name=host,
        server_port=port,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        **pages.appearance(),
    )
    print(f"orwlab is listening on http://{host}:{port}   (Ctrl+C stops it)", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being stopped by a machine ends like Ctrl+C
    demo.block_thread()


if __name__ == "__main__":
    main()
