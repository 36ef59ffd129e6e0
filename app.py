"""The app: ``python app.py``, then open the address it prints. ``orwlab.show.web.serve`` says what it can be told."""

from orwlab.show.web import serve

if __name__ == "__main__":
    serve.main()
