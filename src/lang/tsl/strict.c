/* What the old tool refuses in the text of a query before it reads it: it looks for keywords with
 * patterns, and so finds them in quoted text too. */
#include "lang/tsl/tree.h"

#include "base/array.h"
#include "base/error.h"
#include "lang/caret.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const typos[] = {"selct", "slect", "wher", "were", "whre", "limt",
                                    "lmit",  "oder",  "ordr", "srot", "sotr"};
static const char *const keywords[] = {"select", "where", "order by", "sort by", "limit"};

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* True if WORD, and not a part of a longer one, stands at AT. */
static bool stands_at(struct span text, size_t at, const char *word)
{
    size_t len = strlen(word);

    return text.len - at >= len && strncasecmp(text.ptr + at, word, len) == 0 &&
           (at == 0 || !is_word_char(text.ptr[at - 1])) &&
           (text.len - at == len || !is_word_char(text.ptr[at + len]));
}

static bool any_stands_at(struct span text, size_t at, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (stands_at(text, at, words[i]))
            return true;
    return false;
}

int tsl_check_strict(struct span text, struct error **err)
{
    char quote = '\0';

    for (size_t i = 0; i < text.len; i++) {
        if (any_stands_at(text, i, typos, ARRAY_SIZE(typos)))
            return caret_set(err, ERROR_INVALID, "query", text, i, "Keyword Typo");
        if (quote != '\0' && any_stands_at(text, i, keywords, ARRAY_SIZE(keywords)))
            return caret_set(err, ERROR_INVALID, "query", text, i, "a keyword inside of quotes");
        if (quote != '\0' && text.ptr[i] == '\\')
            i++;
        else if (quote == '\0' && strchr("'\"`", text.ptr[i]) != NULL)
            quote = text.ptr[i];
        else if (text.ptr[i] == quote)
            quote = '\0';
    }
    return 0;
}
