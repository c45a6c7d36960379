"""The parts that every process needs: settings, auth, server harness, interceptors, telemetry, failpoints."""
