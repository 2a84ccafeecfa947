"""One pure question with a veto per file; the list that counts is `rules.decide.CHECKS`."""
