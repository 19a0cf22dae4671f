/* The made-up format `turnstile` (see the README one folder up): six parts between `|`. */
#include "haetae.h"

enum { PARTS = 6 };

struct part {
    const uint8_t *at;
    uint32_t len;
};

static int is_digit(uint8_t b) { return b >= '0' && b <= '9'; }
static int is_lower(uint8_t b) { return b >= 'a' && b <= 'z'; }
static int is_hex(uint8_t b) { return is_digit(b) || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F'); }

static int is(struct part part, const char *text) {
    for (uint32_t i = 0; i < part.len; i++)
        if (!text[i] || part.at[i] != (uint8_t)text[i]) return 0;
    return !text[part.len];
}

/* 1 to `digits_max` digits without a leading zero. */
static int is_count(struct part part, uint32_t digits_max) {
    if (part.len < 1 || part.len > digits_max) return 0;
    for (uint32_t i = 0; i < part.len; i++)
        if (!is_digit(part.at[i])) return 0;
    return part.len == 1 || part.at[0] != '0';
}

static int is_gate(struct part part) {
    if (part.len < 1 || part.len > 32) return 0;
    for (uint32_t i = 0; i < part.len; i++)
        if (!is_lower(part.at[i]) && !is_digit(part.at[i]) && part.at[i] != '-') return 0;
    return 1;
}

static int is_card(struct part part) {
    for (uint32_t i = 0; i < part.len; i++)
        if (!is_hex(part.at[i])) return 0;
    return part.len == 8;
}

static int is_temperature(struct part part) {
    struct part whole = part;
    if (whole.len && whole.at[0] == '-') whole.at++, whole.len--;
    uint32_t dot = 0;
    while (dot < whole.len && whole.at[dot] != '.') dot++;
    struct part fraction = {whole.at + dot + 1, whole.len - dot - 1};
    int has_fraction = dot < whole.len;
    whole.len = dot;
    if (!is_count(whole, 3)) return 0;
    if (!has_fraction) return 1;
    if (fraction.len < 1 || fraction.len > 2) return 0;
    for (uint32_t i = 0; i < fraction.len; i++)
        if (!is_digit(fraction.at[i])) return 0;
    return 1;
}

/* Words between `,`, none empty; none at all is sound. */
static int is_tags(struct part part) {
    uint32_t word = 0;
    if (!part.len) return 1;
    for (uint32_t i = 0; i < part.len; i++) {
        uint8_t b = part.at[i];
        if (b == ',') {
            if (!word) return 0;
            word = 0;
        } else if (is_lower(b) || is_digit(b) || b == '_') {
            word++;
        } else {
            return 0;
        }
    }
    return word != 0;
}

/* `a,b` as `["a","b"]`, written straight into the result. No word has a character that JSON would escape. */
static void tags_field(struct part part) {
    uint32_t len = 2;
    if (part.len) len += part.len + 2;
    for (uint32_t i = 0; i < part.len; i++)
        if (part.at[i] == ',') len += 2;
    haetae_field(HAETAE_JSON, "tags", "", 0);
    /* The value's length stands before the key. */
    haetae_set_number(haetae_out - 4 - 4, len, 4);
    haetae_put("[\"", part.len ? 2 : 1);
    for (uint32_t i = 0; i < part.len; i++) {
        if (part.at[i] == ',')
            haetae_put("\",\"", 3);
        else
            haetae_put(part.at + i, 1);
    }
    if (part.len) haetae_put("\"", 1);
    haetae_put("]", 1);
}

static const char *haetae_record(const uint8_t *record, uint32_t len) {
    struct part part[PARTS] = {{record, 0}};
    uint32_t parts = 1;
    for (uint32_t i = 0; i < len; i++) {
        if (record[i] != '|') {
            part[parts - 1].len++;
            continue;
        }
        if (parts == PARTS) return "six parts expected";
        part[parts++] = (struct part){record + i + 1, 0};
    }
    if (parts != PARTS) return "six parts expected";

    if (!is_count(part[0], 12)) return "time";
    haetae_field(HAETAE_NUMBER, "time", part[0].at, part[0].len);

    if (!is_gate(part[1])) return "gate";
    haetae_field(HAETAE_TEXT, "gate", part[1].at, part[1].len);

    if (is(part[2], "-"))
        haetae_field(HAETAE_NULL, "card", "", 0);
    else if (is_card(part[2]))
        haetae_field(HAETAE_TEXT, "card", part[2].at, part[2].len);
    else
        return "card";

    if (is(part[3], "open"))
        haetae_field(HAETAE_BOOL, "opened", "true", 4);
    else if (is(part[3], "deny"))
        haetae_field(HAETAE_BOOL, "opened", "false", 5);
    else
        return "verdict";

    if (!is_temperature(part[4])) return "temperature";
    haetae_field(HAETAE_NUMBER, "celsius", part[4].at, part[4].len);

    if (!is_tags(part[5])) return "tags";
    tags_field(part[5]);
    return 0;
}
