/* Lists in an option's value, as in "a,b" or "source:target;option,...".  A separator that belongs
 * to a word is written with a backslash before it, and so is a backslash.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"

struct error;

/* Appends the words of TEXT between SEPARATORs, without spaces around them and with their
 * backslashes.  An empty word is ERROR_INVALID. */
int comma_list_parse(const char *text, char separator, struct str_list *words, struct error **err);

/* Ends WORD at its first SEPARATOR and returns what is behind it, or NULL if there is none. */
char *comma_list_cut(char *word, char separator);

/* Takes the backslashes out, in place: "a\,b" becomes "a,b".  Returns WORD. */
char *comma_list_plain(char *word);

DEFINE_CLEANUP_IN_PLACE(comma_list, struct str_list, str_list_free_all)
