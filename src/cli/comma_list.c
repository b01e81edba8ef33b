#include "cli/comma_list.h"

#include "base/error.h"
#include "base/text.h"

/* How far the next SEPARATOR without a backslash before it is, or the end. */
static size_t find_separator(const char *text, char separator)
{
    size_t i = 0;

    for (; text[i] != '\0' && text[i] != separator; i++)
        if (text[i] == '\\' && text[i + 1] != '\0')
            i++;
    return i;
}

int comma_list_parse(const char *text, char separator, struct str_list *words, struct error **err)
{
    for (;;) {
        size_t len = find_separator(text, separator);
        struct span word = span_trim((struct span){text, len});

        if (word.len == 0)
            return error_set(err, ERROR_INVALID, "a list has an empty word");
        str_list_push(words, span_dup(word));
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

char *comma_list_cut(char *word, char separator)
{
    size_t len = find_separator(word, separator);

    if (word[len] == '\0')
        return NULL;
    word[len] = '\0';
    return word + len + 1;
}

char *comma_list_plain(char *word)
{
    char *out = word;

    for (const char *in = word; *in != '\0'; in++) {
        if (*in == '\\' && in[1] != '\0')
            in++;
        *out++ = *in;
    }
    *out = '\0';
    return word;
}
