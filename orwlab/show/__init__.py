"""What draws: figures, the stage that animates particles in a browser, and the studio built on it."""
