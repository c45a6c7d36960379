"""The two services behind the gateway, in memory: real gRPC servers with the real interceptors and all rules
that callers can see.

``contract/`` compares them with the real services.
"""
