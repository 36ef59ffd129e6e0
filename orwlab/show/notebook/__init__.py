"""The stage in a notebook: the shared worker, the widget that draws, and the controls beside it."""
