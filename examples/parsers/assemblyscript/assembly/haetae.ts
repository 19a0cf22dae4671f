// The contract with the host, version 1 (crates/sandbox/ABI.md). Nothing here knows a format.

export const TEXT: u8 = 0;
export const NUMBER: u8 = 1;
export const BOOL: u8 = 2;
export const NULL: u8 = 3;
export const JSON: u8 = 4;

/** Where the next byte of the result goes. */
let out: usize = 0;
/** Fields of the record at hand. */
let fields: u16 = 0;
/** Where the length of the value at hand stands. */
let valueLength: usize = 0;

/** Makes the memory reach to `end`; stops the guest where there is none left. */
function reserve(end: u64): void {
  const size = (<u64>memory.size()) << 16;
  if (end <= size) return;
  const pages = (end - size + 65535) >> 16;
  if (end > <u64>u32.MAX_VALUE || memory.grow(<i32>pages) < 0) unreachable();
}

/** The heap starts anew with every batch: the request first, the result behind it. */
export function alloc(size: u32): usize {
  reserve(<u64>__heap_base + <u64>size);
  return __heap_base;
}

/** Begins the result of the request that ends at `end`. */
export function beginResult(end: usize, count: u32): void {
  out = end;
  putU32(count);
}

export function resultEnd(): usize {
  return out;
}

/** Begins a record; gives the place that the other calls want back. */
export function beginRecord(): usize {
  const body = out;
  fields = 0;
  // Length of the body, status, number of fields: set when they are known.
  putU32(0);
  putU8(0);
  putU16(0);
  return body;
}

/** Ends a record: `refused` is empty, or says why it is none of the format. */
export function endRecord(body: usize, refused: string): void {
  if (refused.length > 0) {
    out = body + 4;
    putU8(1);
    putAscii(refused);
  } else {
    store<u16>(body + 5, fields);
  }
  store<u32>(body, <u32>(out - body - 4));
}

/** Begins a field; what is put until `endField` is its value. */
export function beginField(kind: u8, key: string): void {
  fields++;
  putU8(kind);
  putU16(<u16>key.length);
  valueLength = out;
  putU32(0);
  putAscii(key);
}

export function endField(key: string): void {
  store<u32>(valueLength, <u32>(out - valueLength - 4 - key.length));
}

/** A field whose value lies in the record. */
export function field(kind: u8, key: string, at: usize, length: u32): void {
  beginField(kind, key);
  putBytes(at, length);
  endField(key);
}

/** A field whose value is ASCII text of the program. */
export function literal(kind: u8, key: string, value: string): void {
  beginField(kind, key);
  putAscii(value);
  endField(key);
}

export function putBytes(at: usize, length: u32): void {
  reserve(<u64>out + <u64>length);
  memory.copy(out, at, length);
  out += length;
}

/** Strings are UTF-16; those of the program are ASCII, so a byte each. */
export function putAscii(text: string): void {
  for (let i = 0; i < text.length; i++) putU8(<u8>text.charCodeAt(i));
}

function putU8(value: u8): void {
  reserve(<u64>out + 1);
  store<u8>(out, value);
  out += 1;
}

function putU16(value: u16): void {
  reserve(<u64>out + 2);
  store<u16>(out, value);
  out += 2;
}

function putU32(value: u32): void {
  reserve(<u64>out + 4);
  store<u32>(out, value);
  out += 4;
}
