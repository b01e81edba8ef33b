#include "net/url.h"

#include "base/mem.h"
#include "base/test.h"

static struct url *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    struct url *url = NULL;

    CHECK_OK(url_parse(text, &url, &err), err);
    return url;
}

TEST(takes_urls_apart)
{
    CLEANUP(url)
    struct url *url = parse("HTTPS://admin:p%40ss@VC.example.org:8443/sdk/x?a=b&c#frag");

    CHECK_STR(url->scheme, "https");
    CHECK_STR(url->user, "admin");
    CHECK_STR(url->password, "p@ss");
    CHECK_STR(url->host, "vc.example.org");
    CHECK_INT(url->port, 8443);
    CHECK_STR(url->path, "/sdk/x");
    CHECK_STR(url->query, "a=b&c");

    CLEANUP(str) char *text = url_format(url);
    CHECK_STR(text, "https://vc.example.org:8443/sdk/x?a=b&c");
}

TEST(fills_in_what_is_left_out)
{
    CLEANUP(url) struct url *plain = parse("http://host");
    CLEANUP(url) struct url *v6 = parse("https://[2001:DB8::1]:444?q");
    CLEANUP(str) char *text = url_format(v6);

    CHECK_INT(plain->port, 80);
    CHECK_STR(plain->path, "/");
    CHECK(plain->user == NULL && plain->query == NULL);
    CHECK_STR(v6->host, "2001:db8::1");
    CHECK_STR(text, "https://[2001:db8::1]:444/?q");
}

TEST(refuses_wrong_urls)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "starts with a scheme"},          {"host/path", "starts with a scheme"},
        {"://host", "starts with a scheme"},   {"https://", "not a host"},
        {"https:///path", "not a host"},       {"https://ho st/", "printable ASCII"},
        {"https://h/\r\nX: y", "printable"},   {"https://host:0/", "not a port"},
        {"https://host:65536/", "port"},       {"https://host:x/", "port"},
        {"https://[::1/", "not a host"},       {"https://[::1]x/", "not a port"},
        {"https://a%zz@host/", "hexadecimal"}, {"https://a%00@host/", "NUL"},
        {"https://ho,st/", "not a host"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        struct url *url = NULL;

        CHECK_FAILS(url_parse(cases[i].text, &url, &err), err, ERROR_INVALID, cases[i].part);
    }
}

TEST(joins_references)
{
    static const struct {
        const char *reference, *want;
    } cases[] = {
        {"https://other/x", "https://other/x"},
        {"//other/x", "https://other/x"},
        {"/x", "https://host:444/x"},
        {"x?y", "https://host:444/a/b/x?y"},
        {"../x", "https://host:444/a/x"},
        {"../../../x/", "https://host:444/x/"},
        {"./x/./y/..", "https://host:444/a/b/x/"},
        {"?z=1", "https://host:444/a/b/c?z=1"},
        {"", "https://host:444/a/b/c?q"},
        {"..", "https://host:444/a/"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str)
        char *got = url_join("https://u:p@host:444/a/b/c?q#f", cases[i].reference, &err);

        CHECK_OK(got == NULL ? -1 : 0, err);
        CHECK_STR(got, cases[i].want);
    }
}

TEST(escapes_and_unescapes)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf buf = BUF_INIT(1000);
    CLEANUP(str) char *back = NULL;
    bool first = true;

    url_add_param(&buf, &first, "labelSelector", "a in (b, c)/\xc3\xa4");
    url_add_param(&buf, &first, "absent", NULL);
    url_add_param(&buf, &first, "x", "1");
    CHECK_STR(buf.ptr, "?labelSelector=a%20in%20%28b%2C%20c%29%2F%C3%A4&x=1");
    CHECK_OK(url_unescape(SPAN("a+b%2Bc"), false, &back, &err), err);
    CHECK_STR(back, "a+b+c");
}

TEST(walks_a_query)
{
    CLEANUP(error) struct error *err = NULL;
    struct span query = SPAN("a=b+c&&flag&x=%3d&bad=%4");
    static const char *const want[][2] = {{"a", "b c"}, {"flag", ""}, {"x", "="}};

    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        CLEANUP(str) char *key = NULL;
        CLEANUP(str) char *value = NULL;

        CHECK_INT(url_next_param(&query, &key, &value, &err), 1);
        CHECK_STR(key, want[i][0]);
        CHECK_STR(value, want[i][1]);
    }
    char *key = NULL, *value = NULL;
    CHECK_FAILS(url_next_param(&query, &key, &value, &err), err, ERROR_INVALID, "hexadecimal");
    CHECK_INT(url_next_param(&query, &key, &value, &err), 0);
}
