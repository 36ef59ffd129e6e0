"""The lab in a browser: the Gradio page, its controls, and the worker processes that do the sessions' work."""
