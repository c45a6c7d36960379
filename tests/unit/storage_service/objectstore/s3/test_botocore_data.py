"""Our loader of botocore's data, compared with its own."""

from __future__ import annotations

import functools
from typing import Any

import botocore.loaders
import botocore.session
import pytest

from storage_service.objectstore.s3.botocore_data import LeanFiles, data_files

LOOKED_UP = ("endpoints", "partitions", "_retry")
OF_S3 = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")
KEPT = ("s3", "sts", "oidc", "portal.sso", "signin")
REGIONS = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "xx-new-9")


def _lean(content: Any) -> Any:
    """Return the expected form of ``content``."""
    if isinstance(content, list):
        return [_lean(one) for one in content]
    if not isinstance(content, dict):
        return content
    found = {name: _lean(one) for name, one in content.items()}
    if isinstance(found.get("documentation"), str):
        found["documentation"] = ""
    return found


def _loader(files: LeanFiles | None = None) -> botocore.loaders.Loader:
    """Return a new loader, because clients change the data that they get."""
    return botocore.loaders.Loader(file_loader=files)


@pytest.mark.parametrize("kind", OF_S3)
def test_of_s3_only_texts_for_people_are_missing(kind: str) -> None:
    expected = _lean(_loader().load_service_model("s3", kind))
    assert _loader(LeanFiles()).load_service_model("s3", kind) == expected


@pytest.mark.parametrize("name", LOOKED_UP)
def test_of_the_rest_only_other_services_are_missing(name: str) -> None:
    expected = _lean(_loader().load_data(name))
    for partition in expected.get("partitions", ()) if name == "endpoints" else ():
        services = partition["services"]
        partition["services"] = {one: services[one] for one in KEPT if one in services}
    assert _loader(LeanFiles()).load_data(name) == expected


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "sso-oidc"])
@pytest.mark.parametrize("region", REGIONS)
def test_addresses_are_those_that_botocore_has(service: str, region: str) -> None:
    assert _address(service, region, lean=True) == _address(service, region, lean=False)


def _address(service: str, region: str, *, lean: bool) -> str:
    session = botocore.session.Session()
    session.register_component("data_loader", data_files(None) if lean else _botocores())
    client: Any = session.create_client(
        service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    address: str = client.meta.endpoint_url
    client.close()
    return address


@functools.cache
def _botocores() -> botocore.loaders.Loader:
    return _loader()
