/* The contract with the host, version 1 (crates/sandbox/ABI.md). Nothing here knows a format.
   Include it in one file, and define haetae_record there. */
#ifndef HAETAE_H
#define HAETAE_H

#include <stdint.h>

#define HAETAE_EXPORT(name) __attribute__((export_name(name)))

enum haetae_kind { HAETAE_TEXT, HAETAE_NUMBER, HAETAE_BOOL, HAETAE_NULL, HAETAE_JSON };

/* Gives 0 after haetae_field for each field, or a text that says why the record is refused. */
static const char *haetae_record(const uint8_t *record, uint32_t len);

/* The linker's name for the first byte behind the program's data and stack. */
extern uint8_t __heap_base;

/* The result grows here. */
static uint8_t *haetae_out;
static uint32_t haetae_fields;

static uint32_t haetae_strlen(const char *text) {
    uint32_t len = 0;
    while (text[len]) len++;
    return len;
}

/* Makes the memory reach to `end`; stops the guest where there is none left. */
static void haetae_reserve(uint64_t end) {
    uint64_t size = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (end <= size) return;
    uint64_t pages = (end - size + 65535) >> 16;
    if (end > UINT32_MAX || __builtin_wasm_memory_grow(0, (uint32_t)pages) == (__SIZE_TYPE__)-1) __builtin_trap();
}

/* Bytes are written one by one or copied: nothing in a buffer is aligned. */
static void haetae_put(const void *bytes, uint32_t len) {
    haetae_reserve((uint64_t)(uintptr_t)haetae_out + len);
    /* One instruction with bulk memory, no call of a library. */
    __builtin_memcpy(haetae_out, bytes, len);
    haetae_out += len;
}

static void haetae_put_number(uint32_t number, uint32_t bytes) {
    uint8_t word[4] = {number, number >> 8, number >> 16, number >> 24};
    haetae_put(word, bytes);
}

static uint32_t haetae_u32(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void haetae_set_number(uint8_t *at, uint32_t number, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) at[i] = number >> 8 * i;
}

static void haetae_field(enum haetae_kind kind, const char *key, const void *value, uint32_t len) {
    uint32_t key_len = haetae_strlen(key);
    haetae_fields++;
    haetae_put_number(kind, 1);
    haetae_put_number(key_len, 2);
    haetae_put_number(len, 4);
    haetae_put(key, key_len);
    haetae_put(value, len);
}

HAETAE_EXPORT("haetae_abi_version") int32_t haetae_abi_version(void) { return 1; }

/* The heap starts anew with every batch: the request first, the result behind it. */
HAETAE_EXPORT("haetae_alloc") uint8_t *haetae_alloc(uint32_t size) {
    haetae_reserve((uint64_t)(uintptr_t)&__heap_base + size);
    return &__heap_base;
}

HAETAE_EXPORT("haetae_parse") uint64_t haetae_parse(const uint8_t *request, uint32_t len) {
    uint32_t count = haetae_u32(request);
    const uint8_t *record = request + 4 * (count + 1);
    uint8_t *result = (uint8_t *)request + len;
    haetae_out = result;
    haetae_put_number(count, 4);
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t record_len = haetae_u32(request + 4 * i);
        uint8_t *body = haetae_out;
        haetae_fields = 0;
        /* Length of the body, status, number of fields: set when they are known. */
        haetae_put("\0\0\0\0\0\0", 7);
        const char *refused = haetae_record(record, record_len);
        if (refused) {
            haetae_out = body + 4;
            haetae_put_number(1, 1);
            haetae_put(refused, haetae_strlen(refused));
        } else {
            haetae_set_number(body + 5, haetae_fields, 2);
        }
        haetae_set_number(body, (uint32_t)(haetae_out - body - 4), 4);
        record += record_len;
    }
    return (uint64_t)(uintptr_t)result << 32 | (uint32_t)(haetae_out - result);
}

#endif
