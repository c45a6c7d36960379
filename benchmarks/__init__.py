"""What Strongroom costs, beside boto3 alone and beside the usual FastAPI app; see README.md."""
