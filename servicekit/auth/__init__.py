"""Who calls: bearer tokens of users, and the proofs by which Strongroom's processes know each other."""
