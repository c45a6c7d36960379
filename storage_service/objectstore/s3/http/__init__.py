"""HTTP/1.1 of our own, for bodies: on threads, a deadline for the head, abortable from outside."""
