"""Malware is looked for in every body before it becomes visible: by clamd, beside the body's way to S3."""
