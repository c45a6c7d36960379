"""The development stack: embedded Postgres, embedded S3 and the three services, supervised.

`python -m devstack up` is what `make up` runs; `devstack.infra.start` gives tests Postgres and S3 alone.
"""
