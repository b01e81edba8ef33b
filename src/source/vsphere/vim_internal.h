/* What the files behind vim.h share.
 *
 * May use: base, data.  Threads: as vim.h.
 */
#pragma once

#include "source/vsphere/vim.h"

/* The number of logins so far. */
unsigned vim_generation(struct vim *vim);
/* Logs in unless somebody did since GENERATION. */
int vim_login_again(struct vim *vim, unsigned generation, struct cancel *cancel,
                    struct error **err);

/* True for names of XML and no more: what ids and types may be. */
bool vim_is_plain(const char *text);

/* The text of the element at PATH below NODE, or "".  Owned by the caller. */
char *vim_text_at(struct dom_node *node, const char *path);

/* The name of a fault: its element's type, or the element's own name without "Fault".  Owned by
 * the caller. */
char *vim_fault_name(struct dom_node *fault);
/* The fault NAME as an error, by its class. */
int vim_set_fault(const char *name, const char *words, struct error **err);
