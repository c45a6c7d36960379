"""One operation of the REST surface: its route, who may call it, and its part of the OpenAPI document."""
