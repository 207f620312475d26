#!/usr/bin/env python3
"""Reads the vectors, as a client in another language would in its own tests.

Each message is there as bytes and as protobuf's JSON: both must be the same. Runs are there once
more as the single tasks that they stand for, and ids as numbers and as text. `--write` makes the
bytes anew, from the JSON: only a change of the API asks for that.
"""

import base64
import importlib
import json
import pathlib
import sys
import unittest

from google.protobuf import json_format
from session import DIGITS, task_id

FOLDER = pathlib.Path(__file__).parent
MODULES = ("task_service", "worker_service")


def new_message(name):
    for module in MODULES:
        stubs = importlib.import_module(f"treadle.v1.{module}_pb2")
        if hasattr(stubs, name):
            return getattr(stubs, name)()
    raise LookupError(name)


def read(name):
    return json.loads((FOLDER / name).read_text())


def id_numbers(text):
    def number(digits):
        value = 0
        for digit in digits:
            value = value << 5 | DIGITS.index(digit)
        return value

    session, sequence = text.split("-")
    return number(session), number(sequence)


def parts(sizes, joined):
    begin = 0
    for size in sizes:
        yield joined[begin : begin + size].decode()
        begin += size


def tasks(run, session):
    for index, payload in enumerate(parts(run.payload_sizes, run.payloads)):
        key = run.request_keys[index] if run.request_keys else ""
        name = task_id(session, run.first_sequence + index)
        yield {"id": name, "payload": payload, "request_key": key}


def leases(run):
    session, sequence = id_numbers(run.first.task_id)
    for index, payload in enumerate(parts(run.payload_sizes, run.payloads)):
        name = task_id(session, sequence + index)
        yield {"id": name, "token": run.first.token + index, "payload": payload}


def reports(run):
    for index, result in enumerate(parts(run.result_sizes, run.results)):
        yield {"token": run.first_token + index, "result": result}


def outcomes(run, session):
    for index, result in enumerate(parts(run.result_sizes, run.results)):
        yield {"id": task_id(session, run.first_sequence + index), "result": result}


def singles(type_name, message, session):
    """What stands in the message's runs, one by one."""
    runs = {
        "SessionRequest": lambda m: (tasks(run, session) for run in m.runs),
        "SessionResponse": lambda m: (outcomes(run, session) for run in m.succeeded),
        "AttachRequest": lambda m: (reports(run) for run in m.succeeded),
        "AttachResponse": lambda m: (leases(run) for run in m.runs),
    }[type_name](message)
    return [one for run in runs for one in run]


class Vectors(unittest.TestCase):
    def test_ids(self):
        for vector in read("ids.json"):
            numbers = int(vector["session"]), int(vector["sequence"])
            self.assertEqual(task_id(*numbers), vector["text"])
            self.assertEqual(id_numbers(vector["text"]), numbers)

    def test_messages(self):
        for vector in read("messages.json"):
            with self.subTest(vector["name"]):
                message = new_message(vector["type"])
                message.ParseFromString(base64.b64decode(vector["bytes"]))
                expected = json_format.ParseDict(vector["message"], new_message(vector["type"]))
                self.assertEqual(message, expected)
                told = singles(vector["type"], message, vector["session"])
                self.assertEqual(told, vector["singles"])


def write():
    vectors = read("messages.json")
    for vector in vectors:
        message = json_format.ParseDict(vector["message"], new_message(vector["type"]))
        vector["bytes"] = base64.b64encode(message.SerializeToString()).decode()
        vector["singles"] = singles(vector["type"], message, vector["session"])
    (FOLDER / "messages.json").write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        unittest.main()
