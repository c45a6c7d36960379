"""Use cases of ReservationService: T1 to T4, giving up, and the cleaner's claims."""
