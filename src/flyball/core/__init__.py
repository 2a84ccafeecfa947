"""The impure verbs, async, talking only to ports. Whoever reads this folder has read what Flyball guarantees."""
