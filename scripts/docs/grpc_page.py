"""The gRPC reference: services, RPCs, messages and enums, from the protos and their comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from scripts.docs import descriptors
from scripts.docs.text import code, page, prose, table

INTRODUCTION: Final = """Generated from [protos/](../../protos). A running service shows the same by
reflection. Errors have a reason: [errors](errors.md). To call a service by hand use
`buf curl`, as in the README."""
_TYPES: Final = {
    value: name.removeprefix("TYPE_").lower() for name, value in FieldDescriptorProto.Type.items()
}
_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED


def pages(root: Path) -> dict[str, str]:
    """The pages as Markdown, by file name: an overview, and one for each package."""
    by_package: dict[str, list[FileDescriptorProto]] = {}
    for file in descriptors.files(root):
        by_package.setdefault(file.package, []).append(file)
    made = {f"grpc-{_short(package)}.md": _package(package, files) for package, files in by_package.items()}
    overview = table(("package", "service", "what"), _overview(by_package))
    return {"grpc.md": page("gRPC", INTRODUCTION, [overview]), **made}


def _short(package: str) -> str:
    return package.split(".")[1]


def _overview(packages: dict[str, list[FileDescriptorProto]]) -> Iterator[tuple[str, str, str]]:
    for package, files in packages.items():
        for file in files:
            said = descriptors.comments(file)
            for index, service in enumerate(file.service):
                text = said.get((descriptors.SERVICE_OF_FILE, index), "")
                link = f"[{service.name}](grpc-{_short(package)}.md#{service.name.lower()})"
                yield code(package), link, text.partition(". ")[0].removesuffix(".") + "."


def _package(package: str, files: list[FileDescriptorProto]) -> str:
    parts = [part for file in files for part in _services(file)]
    shapes = [part for file in files for part in _shapes(file)]
    return page(package, "", [*parts, *(["# Messages"] if parts else []), *shapes])


def _services(file: FileDescriptorProto) -> Iterator[str]:
    said = descriptors.comments(file)
    for index, service in enumerate(file.service):
        here = (descriptors.SERVICE_OF_FILE, index)
        yield f"## {service.name}"
        yield prose(said.get(here, ""))
        rows = []
        for at, method in enumerate(service.method):
            asked = ("stream " if method.client_streaming else "") + _link(method.input_type, file.package)
            told = ("stream " if method.server_streaming else "") + _link(method.output_type, file.package)
            text = said.get((*here, descriptors.METHOD_OF_SERVICE, at), "")
            rows.append((code(method.name), asked, told, text))
        yield table(("RPC", "request", "answer", "what"), rows)


def _link(name: str, package: str) -> str:
    """A type's name, with a link if it is ours."""
    full = name.lstrip(".")
    short = full.rpartition(".")[2]
    if not full.startswith("strongroom."):
        return code(full)
    theirs = ".".join(full.split(".")[:3])
    page_of = "" if theirs == package else f"grpc-{_short(theirs)}.md"
    return f"[{short}]({page_of}#{short.lower()})"


def _shapes(file: FileDescriptorProto) -> Iterator[str]:
    said = descriptors.comments(file)
    for index, message in enumerate(file.message_type):
        yield from _message(message, (descriptors.MESSAGE_OF_FILE, index), said, file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _enum(enum, (descriptors.ENUM_OF_FILE, index), said)


def _message(
    message: DescriptorProto, here: descriptors.Path_, said: dict[descriptors.Path_, str], package: str
) -> Iterator[str]:
    yield f"## {message.name}"
    yield prose(said.get(here, ""))
    entries = {one.name: one for one in message.nested_type if one.options.map_entry}
    rows = []
    for at, field in enumerate(message.field):
        text = said.get((*here, descriptors.FIELD_OF_MESSAGE, at), "")
        if field.HasField("oneof_index") and not field.proto3_optional:
            text = f"One of `{message.oneof_decl[field.oneof_index].name}`. {text}"
        rows.append((code(field.name), _type(field, entries, package), text))
    yield table(("field", "type", "meaning"), rows)
    for at, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _message(nested, (*here, descriptors.NESTED, at), said, package)
    for at, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*here, descriptors.ENUM_OF_MESSAGE, at), said)


def _type(field: FieldDescriptorProto, entries: dict[str, DescriptorProto], package: str) -> str:
    entry = entries.get(field.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = (_type(one, {}, package) for one in entry.field)
        return f"map of {key} to {value}"
    name = _link(field.type_name, package) if field.type_name else _TYPES[field.type]
    if field.label == _REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _enum(
    enum: EnumDescriptorProto, here: descriptors.Path_, said: dict[descriptors.Path_, str]
) -> Iterator[str]:
    yield f"## {enum.name}"
    yield prose(said.get(here, ""))
    values = enumerate(enum.value)
    rows = [
        (code(one.name), str(one.number), said.get((*here, descriptors.VALUE_OF_ENUM, at), ""))
        for at, one in values
    ]
    yield table(("value", "number", "meaning"), rows)
