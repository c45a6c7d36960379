"""The naive app of every comparison, as such services are usually written: FastAPI, boto3 and an ORM."""
