// The made-up format `turnstile` (see the README one folder up): six parts between `|`.

import {
  BOOL, JSON, NULL, NUMBER, TEXT,
  alloc, beginField, beginRecord, beginResult, endField, endRecord, field, literal, putAscii, putBytes, resultEnd,
} from "./haetae";

const PARTS: i32 = 6;

/** Where each part begins, and its length. Literals lie in the program's data; `new` would take them from the heap. */
const starts: StaticArray<usize> = [0, 0, 0, 0, 0, 0];
const lengths: StaticArray<u32> = [0, 0, 0, 0, 0, 0];

export function haetae_abi_version(): i32 {
  return 1;
}

export function haetae_alloc(size: u32): usize {
  return alloc(size);
}

export function haetae_parse(request: usize, length: u32): u64 {
  const count = load<u32>(request);
  const result = request + length;
  let record = request + 4 * (<usize>count + 1);
  beginResult(result, count);
  for (let i: u32 = 1; i <= count; i++) {
    const recordLength = load<u32>(request + 4 * <usize>i);
    const body = beginRecord();
    endRecord(body, parse(record, recordLength));
    record += recordLength;
  }
  return (<u64>result << 32) | <u64>(resultEnd() - result);
}

/** Gives the fields of one record; says why if it is none of this format. */
function parse(record: usize, length: u32): string {
  if (!split(record, length)) return "six parts expected";

  if (!isCount(starts[0], lengths[0], 12)) return "time";
  field(NUMBER, "time", starts[0], lengths[0]);

  if (!isGate(starts[1], lengths[1])) return "gate";
  field(TEXT, "gate", starts[1], lengths[1]);

  if (is(starts[2], lengths[2], "-")) literal(NULL, "card", "");
  else if (isCard(starts[2], lengths[2])) field(TEXT, "card", starts[2], lengths[2]);
  else return "card";

  if (is(starts[3], lengths[3], "open")) literal(BOOL, "opened", "true");
  else if (is(starts[3], lengths[3], "deny")) literal(BOOL, "opened", "false");
  else return "verdict";

  if (!isTemperature(starts[4], lengths[4])) return "temperature";
  field(NUMBER, "celsius", starts[4], lengths[4]);

  if (!isTags(starts[5], lengths[5])) return "tags";
  tagsField(starts[5], lengths[5]);
  return "";
}

function split(record: usize, length: u32): bool {
  let part = 0;
  starts[0] = record;
  lengths[0] = 0;
  for (let at = record; at < record + length; at++) {
    if (load<u8>(at) != 0x7c) {
      lengths[part] += 1;
      continue;
    }
    part++;
    if (part == PARTS) return false;
    starts[part] = at + 1;
    lengths[part] = 0;
  }
  return part == PARTS - 1;
}

// @ts-ignore: decorator
@inline
function isDigit(b: u8): bool {
  return b >= 0x30 && b <= 0x39;
}

// @ts-ignore: decorator
@inline
function isLower(b: u8): bool {
  return b >= 0x61 && b <= 0x7a;
}

function is(at: usize, length: u32, text: string): bool {
  if (length != <u32>text.length) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (<i32>load<u8>(at + i) != text.charCodeAt(i)) return false;
  }
  return true;
}

/** 1 to `digitsMax` digits without a leading zero. */
function isCount(at: usize, length: u32, digitsMax: u32): bool {
  if (length < 1 || length > digitsMax) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (!isDigit(load<u8>(at + i))) return false;
  }
  return length == 1 || load<u8>(at) != 0x30;
}

function isGate(at: usize, length: u32): bool {
  if (length < 1 || length > 32) return false;
  for (let i: u32 = 0; i < length; i++) {
    const b = load<u8>(at + i);
    if (!isLower(b) && !isDigit(b) && b != 0x2d) return false;
  }
  return true;
}

function isCard(at: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const b = load<u8>(at + i);
    const folded = b | 0x20;
    if (!isDigit(b) && !(folded >= 0x61 && folded <= 0x66)) return false;
  }
  return length == 8;
}

function isTemperature(at: usize, length: u32): bool {
  if (length > 0 && load<u8>(at) == 0x2d) {
    at++;
    length--;
  }
  let dot: u32 = 0;
  while (dot < length && load<u8>(at + dot) != 0x2e) dot++;
  if (!isCount(at, dot, 3)) return false;
  if (dot == length) return true;
  const digits = length - dot - 1;
  if (digits < 1 || digits > 2) return false;
  for (let i = dot + 1; i < length; i++) {
    if (!isDigit(load<u8>(at + i))) return false;
  }
  return true;
}

/** Words between `,`, none empty; none at all is sound. */
function isTags(at: usize, length: u32): bool {
  let word = 0;
  for (let i: u32 = 0; i < length; i++) {
    const b = load<u8>(at + i);
    if (b == 0x2c) {
      if (word == 0) return false;
      word = 0;
    } else if (isLower(b) || isDigit(b) || b == 0x5f) {
      word++;
    } else {
      return false;
    }
  }
  return length == 0 || word != 0;
}

/** `a,b` as `["a","b"]`. No word has a character that JSON would escape. */
function tagsField(at: usize, length: u32): void {
  beginField(JSON, "tags");
  if (length == 0) {
    putAscii("[]");
  } else {
    putAscii("[\"");
    for (let i: u32 = 0; i < length; i++) {
      if (load<u8>(at + i) == 0x2c) putAscii("\",\"");
      else putBytes(at + i, 1);
    }
    putAscii("\"]");
  }
  endField("tags");
}
