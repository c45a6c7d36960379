"""The HTTP gateway: REST routes over storage_service and metadata_service. It has no state and no
credentials.
"""
