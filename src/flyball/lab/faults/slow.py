"""A commit that is valid and wrong: every page of web does 900 ms of work.

Really broken: the last commit in HOME/web-config sets work_ms to 900 and web was restarted on it. Nothing fails.
Heals by: reverting that commit, then a restart.
"""

from flyball.lab import repo

ALERTS = (("ServiceSlow", "web"),)
MISTAKE = repo.Mistake("work_ms = 0", "work_ms = 900", "Prepare pages more carefully")
break_, heal, broken = MISTAKE.roll_out, MISTAKE.take_back, MISTAKE.stands
