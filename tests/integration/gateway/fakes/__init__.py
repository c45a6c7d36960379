"""The two services behind the gateway, in memory: real gRPC servers with the real interceptors and no rules
left out that a caller can see. ``contract/`` checks them against the real services.
"""
