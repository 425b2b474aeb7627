"""Examples have no deadline: a busy machine is no error of the transaction layer."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
