"""Operations of the REST API: routes, admission, and parts of the OpenAPI document."""
