"""A crawler floods web with long questions, and web logs each one.

Really broken: a stray process asks for pages that do not exist, tens of times a second, with names of more than a
kilobyte; web.log grows far faster than usual, turns over, and loses older evidence. Web still answers.
Heals by: ending the crawler.
"""

from flyball.lab.home import Lab, end_process, start_stray

ALERTS = (("LogFlood", "web"),)
NAME = "stray-flood"


def break_(lab: Lab) -> None:
    """Start the crawler."""
    start_stray(lab, NAME, "flood", lab.settings().web_port)


def heal(lab: Lab) -> None:
    """End the crawler."""
    end_process(lab, NAME)


def broken(lab: Lab) -> bool:
    """The crawler is alive."""
    return lab.pid(NAME) is not None
