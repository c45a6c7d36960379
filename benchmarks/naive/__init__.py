"""The usual way: FastAPI, UploadFile, boto3 and an ORM. The other half of every comparison."""
