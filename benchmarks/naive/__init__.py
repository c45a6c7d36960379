"""The usual solution: FastAPI, UploadFile, boto3 and an ORM. The other half of every comparison."""
