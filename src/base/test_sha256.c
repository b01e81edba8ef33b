#include "base/sha256.h"

#include "base/test.h"

#include <stdio.h>
#include <string.h>

/* Texts of every length around a block's and the length field's end, by coreutils' sha256sum. */
TEST(digests_as_the_standard_says)
{
    static const struct {
        const char *text;
        size_t times;
        const char *digest;
    } cases[] = {
        {"abc", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"sec", 1, "add93534eeb463800fe0ed0946048d33636dd2a014fab92e8a37f77ce98c740b"},
        {"a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {"a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {"a", 57, "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6"},
        {"a", 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {"a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {"a", 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"ab", 60, "c513d65ec954a0c012264640d6a182c253150a2e0c2105d99a42864ff9a45d7e"},
        {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static char text[1000000];
        unsigned char digest[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        size_t part = strlen(cases[i].text), len = part * cases[i].times;

        CHECK(len <= sizeof(text));
        for (size_t at = 0; at < len; at += part)
            memcpy(text + at, cases[i].text, part);
        sha256(text, len, digest);
        for (size_t j = 0; j < SHA256_SIZE; j++)
            snprintf(hex + 2 * j, 3, "%02x", digest[j]);
        CHECK_STR(hex, cases[i].digest);
    }
}
