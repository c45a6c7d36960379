"""Projects: saves as one commit of many blobs, versions, and their current objects in the bucket
(docs/projects.md).
"""
