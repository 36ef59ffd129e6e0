"""The lab: an experiment that one can steer, with its settings, lanes, exact limits and pictures. It knows no host."""
