"""Reading the stack's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.errors import SettingError
from devstack.settings import from_environ


def test_defaults_are_the_documented_ones() -> None:
    settings = from_environ({})
    assert settings.data_dir == Path(".strongroom")
    assert (settings.http_port, settings.storage_port, settings.metadata_port) == (8080, 50051, 50052)
    assert (settings.database_url, settings.s3, settings.jwt_secret) == (None, None, None)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    empty = dict.fromkeys(
        ("STRONGROOM_HTTP_PORT", "STRONGROOM_DATA_DIR", "STRONGROOM_DATABASE_URL", "AWS_S3_BUCKET"), ""
    )
    assert from_environ(empty) == from_environ({})


@pytest.mark.parametrize("text", ["eighty", "-1", "65536", "8080 ", "²"])
def test_a_port_that_is_none_names_its_variable(text: str) -> None:
    with pytest.raises(SettingError, match="STRONGROOM_METADATA_PORT"):
        from_environ({"STRONGROOM_METADATA_PORT": text})


@pytest.mark.parametrize(
    "name", ["AWS_S3_BUCKET", "AWS_S3_BUCKET_NAME", "S3_BUCKET_NAME", "STRONGROOM_S3_BUCKET"]
)
def test_every_name_of_the_bucket_is_understood(name: str) -> None:
    s3 = from_environ({"AWS_S3_ENDPOINT_URL": "https://s3.example", name: "b", "S3_REGION": "eu-west-1"}).s3
    assert s3 is not None
    assert (s3.bucket, s3.region, s3.access_key) == ("b", "eu-west-1", "")


@pytest.mark.parametrize(("use_ssl", "scheme"), [("", "https"), ("true", "https"), ("False", "http")])
def test_an_endpoint_without_a_scheme_gets_that_of_use_ssl(use_ssl: str, scheme: str) -> None:
    s3 = from_environ(
        {"AWS_S3_ENDPOINT_URL": "store:9000", "AWS_S3_BUCKET": "b", "AWS_S3_USE_SSL": use_ssl}
    ).s3
    assert s3 is not None
    assert s3.endpoint == f"{scheme}://store:9000"


@pytest.mark.parametrize(
    "name", ["STRONGROOM_TLS_CERT", "STRONGROOM_HTTP_TLS_CERT", "STRONGROOM_METRICS_BIND"]
)
def test_what_a_stack_on_one_machine_cannot_do_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is set"):
        from_environ({name: "cert.pem", "STRONGROOM_FORM": "three"})


def test_the_services_share_a_process_unless_told_otherwise() -> None:
    assert from_environ({}).form == "one"
    assert from_environ({"STRONGROOM_METRICS_BIND": "127.0.0.1:9100"}).form == "one"
    assert from_environ({"STRONGROOM_FORM": "three"}).form == "three"
    with pytest.raises(SettingError, match="STRONGROOM_FORM is '3': it must be one"):
        from_environ({"STRONGROOM_FORM": "3"})


def test_the_data_directory_of_the_command_line_wins(tmp_path: Path) -> None:
    assert from_environ({"STRONGROOM_DATA_DIR": "elsewhere"}, tmp_path).data_dir == tmp_path
