"""Reads and writes records with fastavro, for the test beside this file.

Standard input holds a JSON list of tasks, standard output gets the list of results:
  {"read": HEX, "schema": FILE, "id": ID or null}       -> the value
  {"write": VALUE, "schema": FILE, "id": ID or null}    -> HEX
With an id the record is in Confluent's encoding, without one it is an Avro single object. With "reader": FILE the value is what
a reader with that newer schema sees.
"""

import io
import json
import sys

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form


def preamble(task):
    """The bytes before the datum."""
    if task["id"] is not None:
        return b"\x00" + task["id"].to_bytes(4, "big")
    with open(task["schema"], encoding="utf-8") as file:
        canonical_form = to_parsing_canonical_form(json.load(file))
    return b"\xc3\x01" + bytes.fromhex(fingerprint(canonical_form, "CRC-64-AVRO"))


def schema(file):
    return file and load_schema(file)


def read(task):
    record = bytes.fromhex(task["read"])
    expected = preamble(task)
    assert record.startswith(expected), f"{record.hex()} does not begin with {expected.hex()}"
    datum = io.BytesIO(record[len(expected) :])
    value = fastavro.schemaless_reader(datum, schema(task["schema"]), schema(task.get("reader")))
    assert not datum.read(), "bytes follow the datum"
    return value


def write(task):
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, schema(task["schema"]), task["write"])
    return (preamble(task) + datum.getvalue()).hex()


json.dump([read(task) if "read" in task else write(task) for task in json.load(sys.stdin)], sys.stdout)
