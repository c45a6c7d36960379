"""What every Strongroom process needs: settings, auth, server harness, interceptors, telemetry, failpoints."""
