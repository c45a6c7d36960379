"""Operations for operators: running acts, draining replicas, rebuilding derived rows."""
