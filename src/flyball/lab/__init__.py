"""A small real estate to practise on: web, store, load and prober under a little supervisor, and faults to break it.

It is in the wheel and imports nothing of Flyball but itself. The command line and the demo call `estate`.
"""
