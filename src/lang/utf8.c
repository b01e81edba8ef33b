#include "lang/utf8.h"

#include <locale.h>
#include <wctype.h>

/* The C library knows Unicode's classes in the locale C.UTF-8, whatever the program's own is. */
static locale_t unicode;

__attribute__((constructor)) static void make_locale(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

uint32_t utf8_decode(const char *text, size_t len, size_t *size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t count = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    *size = 1;
    if (count == 1)
        return p[0];
    if (count == 0 || count > len || p[0] > 0xf4)
        return UTF8_WRONG;
    uint32_t c = p[0] & (0xffU >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return UTF8_WRONG;
        c = c << 6 | (p[i] & 0x3fU);
    }
    if (c < least[count] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return UTF8_WRONG;
    *size = count;
    return c;
}

void utf8_add(struct buf *buf, uint32_t c)
{
    char bytes[4];
    size_t count = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    if (count == 1) {
        buf_add_char(buf, (char)c);
        return;
    }
    for (size_t i = count; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[count] | c);
    buf_append(buf, bytes, count);
}

bool utf8_is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (unicode == (locale_t)0)
        return true;
    return iswalpha_l((wint_t)c, unicode) != 0;
}

bool utf8_is_digit(uint32_t c)
{
    if (c < 0x80)
        return c >= '0' && c <= '9';
    return unicode != (locale_t)0 && iswdigit_l((wint_t)c, unicode) != 0;
}

bool utf8_is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

bool utf8_is_print(uint32_t c)
{
    if (c < 0x80)
        return c >= ' ' && c < 0x7f;
    if (utf8_is_space(c) || c == UTF8_WRONG)
        return c == UTF8_WRONG;
    return unicode == (locale_t)0 || iswprint_l((wint_t)c, unicode) != 0;
}

uint32_t utf8_upper(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    return unicode != (locale_t)0 ? (uint32_t)towupper_l((wint_t)c, unicode) : c;
}

uint32_t utf8_lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return unicode != (locale_t)0 ? (uint32_t)towlower_l((wint_t)c, unicode) : c;
}
