#!/usr/bin/env python3
"""Fills fuzz/corpus from the fixtures, one file a seed."""

import base64
import json
import pathlib

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "crates/parse/fixtures"


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def rows(name):
    return [json.loads(line) for line in (FIXTURES / name).read_text("utf-8").split("\n") if line]


for row in rows("must-pass.jsonl"):
    data = base64.b64decode(row["input_b64"])
    for which in (0, 9, 255):
        put("input", "%s-%d" % (row["id"], which), bytes([which]) + data)
        put("blocks", "%s-%d" % (row["id"], which), bytes([which, 60]) + data)
for row in rows("payloads.jsonl"):
    for target in ("decode", "param_sig", "pii"):
        put(target, row["id"], row["payload"].encode())
put("columnar", "sound", b"\0")
put("mapping", "json", b"""id: mine
version: 1
kind: json
dataset: web
map:
  ts: $.t || $['time x']
  uri: $.u ?: '/'
  status: int($.s)
derive:
  param_sig: sig(querystring)
tests:
  - line: '{"t":1,"u":"/a?b=1"}'
    expect: {uri: /a?b=1, status: null}
\0{"t":1772359200,"u":"/a?b=%27","s":"200"}
""")
put("mapping", "regex", b"""id: mine
version: 1
kind: regex
dataset: web
pattern: '^(?<ip>\\S+) (?<u>\\S+)$'
map:
  src_ip: $.ip
  uri: upper($.u)
\x00192.0.2.1 /a
""")
