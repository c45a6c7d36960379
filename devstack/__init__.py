"""The development stack: embedded Postgres, embedded S3 and the three services under a supervisor.

`make up` runs `python -m devstack up`; `devstack.infra.start` gives tests only Postgres and S3.
"""
