"""The app: ``python app.py``, then open the address it prints. See ``orwlab.show.web.serve`` for what it can be told."""

from orwlab.show.web import serve

if __name__ == "__main__":
    serve.main()
