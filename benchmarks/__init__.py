"""The cost of Strongroom, compared with boto3 alone and with the usual FastAPI app; see README.md."""
