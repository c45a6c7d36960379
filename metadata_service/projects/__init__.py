"""Projects: saves as one commit of many blobs, versions, and what the bucket shows of them
(docs/projects.md).
"""
