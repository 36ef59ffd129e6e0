"""A class around one run: lessons in files, what people predict, rooms and what is kept of them. No server is in it."""
