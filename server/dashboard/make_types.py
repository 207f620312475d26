#!/usr/bin/env python3
"""Writes api.ts, the dashboard's types and calls, from the proto files.

    make_types.py           writes it
    make_types.py --check   fails if it is not what it would write

It has what the methods in CALLED need and nothing else: whoever needs another one adds it there.
"""

import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
OUTPUT = HERE / "api.ts"

CALLED = {
    "AdminService": [
        "GetServerInfo",
        "ListWorkers",
        "DrainWorkers",
        "ListDrains",
        "RemoveDrain",
        "ReleaseWorker",
        "ListActions",
        "GetCharts",
    ],
    "DeadLetterService": [
        "ListDeadLetters",
        "ListDeadLetterGroups",
        "GetDeadLetter",
        "RedriveDeadLetters",
        "DeleteDeadLetters",
    ],
    "JobService": ["StartJob", "GetJob", "ListJobs", "CancelJob"],
    "QueueService": [
        "GetQueue",
        "ListQueues",
        "UpdateQueue",
        "DeleteQueue",
        "PauseQueue",
        "ResumeQueue",
        "PurgeQueue",
    ],
    "TaskService": [
        "GetTask",
        "GetPayload",
        "AwaitTask",
        "ReadOutput",
        "CancelTask",
        "ListTasks",
        "ExplainTask",
    ],
}

COLUMNS = 100

HEADER = """\
// Made by make_types.py from proto/treadle/v1, which says what everything means: do not edit.

import { type Shape, caller } from "./wire";
"""

NUMBERS = {
    Field.TYPE_DOUBLE, Field.TYPE_FLOAT, Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_INT32,
    Field.TYPE_FIXED64, Field.TYPE_FIXED32, Field.TYPE_UINT32, Field.TYPE_SFIXED32,
    Field.TYPE_SFIXED64, Field.TYPE_SINT32, Field.TYPE_SINT64,
}  # fmt: skip


def files():
    """All of the proto files, as descriptors."""
    with tempfile.NamedTemporaryFile() as out:
        names = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("treadle/v1/*.proto"))
        subprocess.run(["protoc", "-I", PROTO, f"--descriptor_set_out={out.name}", *names],
                       check=True)  # fmt: skip
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file


def short(name):
    return name.rsplit(".", 1)[-1]


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def fill(items, separator, indent):
    """The items in lines as long as may be."""
    lines = [indent]
    for index, item in enumerate(items):
        word = item + (separator if index < len(items) - 1 else "")
        if lines[-1] != indent and len(f"{lines[-1]} {word}") >= COLUMNS:
            lines.append(indent)
        lines[-1] += word if lines[-1] == indent else f" {word}"
    return "\n".join(lines)


class Types:
    def __init__(self, protos):
        self.messages = {f".{file.package}.{message.name}": message
                         for file in protos for message in file.message_type}  # fmt: skip
        self.enums = {f".{file.package}.{enum.name}": enum
                      for file in protos for enum in file.enum_type}  # fmt: skip
        self.used = []
        self.used_enums = []

    def use(self, name):
        """Notes a message, and all that it contains."""
        if name in self.used:
            return
        self.used.append(name)
        for field in self.messages[name].field:
            if field.type == Field.TYPE_ENUM and field.type_name not in self.used_enums:
                self.used_enums.append(field.type_name)
            if field.type == Field.TYPE_MESSAGE and not self.is_map(name, field):
                self.use(field.type_name)

    def is_map(self, name, field):
        if field.type != Field.TYPE_MESSAGE:
            return False
        return any(nested.options.map_entry and field.type_name == f"{name}.{nested.name}"
                   for nested in self.messages[name].nested_type)  # fmt: skip

    def field(self, name, field):
        """A field's TypeScript type, and how wire.ts is to read it."""
        if self.is_map(name, field):
            return "Record<string, string>", "map"
        if field.type == Field.TYPE_MESSAGE:
            type_, how = short(field.type_name), short(field.type_name)
        elif field.type == Field.TYPE_ENUM:
            type_, how = short(field.type_name), self.enums[field.type_name].value[0].name
        elif field.type in NUMBERS:
            type_, how = "number", "number"
        elif field.type == Field.TYPE_BOOL:
            type_, how = "boolean", "boolean"
        else:  # Bytes are base64, as they come.
            type_, how = "string", "string"
        if field.label == Field.LABEL_REPEATED:
            return f"{type_}[]", f"[]{how}"
        if field.type == Field.TYPE_MESSAGE or field.HasField("oneof_index"):
            return f"{type_} | undefined", f"?{how}"
        return type_, how

    def write_enum(self, name):
        values = [f'"{value.name}"' for value in self.enums[name].value]
        return f"export type {short(name)} =\n{fill(values, ' |', '  ')};\n"

    def write_message(self, name):
        fields = self.messages[name].field
        lines = [f"  {camel(field.name)}: {self.field(name, field)[0]};" for field in fields]
        if not lines:
            return f"export type {short(name)} = Record<string, never>;\n"
        return "\n".join([f"export interface {short(name)} {{", *lines, "}", ""])

    def write_shape(self, name):
        pairs = [f'{camel(field.name)}: "{self.field(name, field)[1]}"'
                 for field in self.messages[name].field]  # fmt: skip
        line = f"  {short(name)}: {{ {', '.join(pairs)} }},"
        if len(line) <= COLUMNS:
            return line if pairs else f"  {short(name)}: {{}},"
        return f"  {short(name)}: {{\n{fill(pairs, ',', '    ')},\n  }},"


def write_calls(types, service):
    """One constant with a function for each method."""
    lines = [f"export const {service.name[0].lower()}{service.name[1:]} = {{"]
    for method in service.method:
        if method.name not in CALLED[service.name]:
            continue
        name = method.name[0].lower() + method.name[1:]
        ask, answer = short(method.input_type), short(method.output_type)
        lines += [
            f"  {name}: call<{ask}, {answer}>(",
            f'    "{service.name}/{method.name}", "{answer}"),',
        ]
    return "\n".join([*lines, "};", ""])


def generate():
    protos = files()
    types = Types(protos)
    services = [service for file in protos for service in file.service if service.name in CALLED]
    for service in services:
        missing = set(CALLED[service.name]) - {method.name for method in service.method}
        if missing:
            sys.exit(f"make_types.py: {service.name} has no {', '.join(sorted(missing))}")
        for method in service.method:
            if method.name in CALLED[service.name]:
                types.use(method.input_type)
                types.use(method.output_type)
    asked = {method.input_type for service in services for method in service.method}
    answered = [name for name in sorted(types.used) if name not in asked]
    shapes = "\n".join(types.write_shape(name) for name in answered)
    parts = [HEADER]
    parts += [types.write_enum(name) for name in sorted(types.used_enums)]
    parts += [types.write_message(name) for name in sorted(types.used)]
    parts.append("// What JSON leaves out, and how it writes 64 bits, is put right by these: "
                 f"see wire.ts.\nconst shapes: Record<string, Shape> = {{\n{shapes}\n}};\n\n"
                 "const call = caller(shapes);\n")  # fmt: skip
    parts += [write_calls(types, service) for service in services]
    return "\n".join(parts)


def main():
    text = generate()
    if sys.argv[1:] == ["--check"]:
        if OUTPUT.read_text(encoding="utf-8") != text:
            sys.exit(f"{OUTPUT} is not what the proto files say: run {HERE / 'make_types.py'}")
        return
    OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
