"""Steps shared by all ways of writing: reserve, renew the lease, make the object, commit or give up,
remove.
"""
