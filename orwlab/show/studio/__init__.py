"""The studio: sessions that hold a running experiment, and the pages of the app that show them."""
