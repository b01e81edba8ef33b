/* Characters of UTF-8: decoding, and what Unicode says about letters.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_WRONG = 0xfffd }; /* what a byte that is not UTF-8 decodes to */

/* The character at TEXT, LEN > 0; *SIZE is its length in bytes, 1 for a wrong byte. */
uint32_t utf8_decode(const char *text, size_t len, size_t *size);

/* Appends the character C. */
void utf8_add(struct buf *buf, uint32_t c);

bool utf8_is_letter(uint32_t c);
bool utf8_is_digit(uint32_t c);
bool utf8_is_space(uint32_t c);
bool utf8_is_print(uint32_t c);
uint32_t utf8_upper(uint32_t c);
uint32_t utf8_lower(uint32_t c);
