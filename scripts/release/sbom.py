"""The bill of materials of the servers and of `strongroom up`, as CycloneDX 1.6."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from importlib import metadata
from typing import Final

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.release.building import Commit
from scripts.release.licences import licence_of
from scripts.release.locks import Package
from strongroom.version import VERSION

LICENCE: Final = "Apache-2.0"


def document(packages: Sequence[Package], commit: Commit) -> str:
    """The document as JSON; the same bytes for the same commit."""
    bom = Bom()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"strongroom {VERSION} {commit.hash}")
    bom.metadata.timestamp = commit.time
    root = _component("strongroom", VERSION, LICENCE, ComponentType.APPLICATION)
    bom.metadata.component = root
    components = {one.name: _component(one.name, one.version, licence_of(one.name)) for one in packages}
    for component in components.values():
        bom.components.add(component)
    for name, component in {**components, "strongroom": root}.items():
        needed = _needs(name)
        bom.register_dependency(component, [components[one] for one in sorted(needed & components.keys())])
    return f"{JsonV1Dot6(bom).output_as_string(indent=2)}\n"


def _component(
    name: str, version: str, licence: str, kind: ComponentType = ComponentType.LIBRARY
) -> Component:
    purl = PackageURL("pypi", None, name, version)
    made = Component(name=name, version=version, type=kind, purl=purl, bom_ref=str(purl))
    made.licenses.add(LicenseExpression(licence))
    return made


def _needs(name: str) -> set[str]:
    """The dependencies of a package, extras included; the locks decide which apply."""
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()
    return {canonicalize_name(Requirement(one).name) for one in requirements}
