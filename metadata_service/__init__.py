"""metadata_service owns the truth: tables, migrations, states, idempotency, quotas, queries, events."""
