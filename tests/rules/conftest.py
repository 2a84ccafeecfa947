"""Property tests run on shared machines: how long one example takes says nothing there."""

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
