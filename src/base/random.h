/* Random bytes and the names made from them.  May use: base.  Threads: safe anywhere. */
#pragma once

#include <stddef.h>

/* Fills DATA from the kernel's generator; ends the program if there is none. */
void random_bytes(void *data, size_t len);

/* LEN letters and digits that Kubernetes uses in generated names (no vowels, no 0, 1, 3), and a
 * NUL behind them. */
void random_name(char *text, size_t len);

enum { UUID_TEXT_SIZE = 37 };

/* A version 4 UUID (RFC 4122); returns TEXT. */
char *random_uuid(char text[UUID_TEXT_SIZE]);
