"""The Pocket lab: the Live lab's exact mode without a server, in JavaScript that runs in a worker thread of the page."""
