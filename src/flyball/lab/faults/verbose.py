"""A commit that left debug logging on: web writes headers and stack for every page.

Really broken: the last commit in HOME/web-config sets log_level to debug and web was restarted on it; web.log grows more
than ten times as fast as usual. Web answers well, and no visitor does anything unusual.
Heals by: reverting that commit, then a restart.
"""

from flyball.lab import repo

ALERTS = (("LogFlood", "web"),)
MISTAKE = repo.Mistake('log_level = "info"', 'log_level = "debug"', "Look closer at slow pages")
break_, heal, broken = MISTAKE.roll_out, MISTAKE.take_back, MISTAKE.stands
