"""Files of exchanges that are judged on this machine: bounded, in order, and resumable."""
