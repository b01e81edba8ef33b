/* Making certificates.  Keys are P-256: quick to make and quick in a handshake. */
#include "net/tls.h"

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum {
    DAY_S = 24 * 3600,
    CA_DAYS = 3650,
    CERT_DAYS = 825, /* what strict clients accept at most */
    RENEW_DAYS = 30,
    MAX_PEM_BYTES = 64 * 1024,
};

static int cert_error(struct error **err, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, ERROR_IO, "%s: %s", what, text);
}

static void cleanup_x509(X509 **cert)
{
    X509_free(*cert);
}

static void cleanup_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void cleanup_bio(BIO **bio)
{
    BIO_free_all(*bio);
}

/* Writes what is in BIO to PATH. */
static int write_bio(BIO *bio, const char *path, mode_t mode, struct error **err)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return file_write(path, data, (size_t)len, mode, err);
}

static int write_key(EVP_PKEY *key, const char *path, struct error **err)
{
    CLEANUP(bio) BIO *bio = BIO_new(BIO_s_secmem());

    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return cert_error(err, "cannot format a key");
    return write_bio(bio, path, 0600, err);
}

static int write_cert(X509 *cert, const char *path, struct error **err)
{
    CLEANUP(bio) BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1)
        return cert_error(err, "cannot format a certificate");
    return write_bio(bio, path, 0644, err);
}

static BIO *open_pem(const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, MAX_PEM_BYTES, &text, &len, err) == -1)
        return NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || BIO_write(bio, text, (int)len) != (int)len) {
        BIO_free_all(bio);
        cert_error(err, "cannot read a PEM file");
        return NULL;
    }
    return bio;
}

static X509 *read_cert(const char *path, struct error **err)
{
    CLEANUP(bio) BIO *bio = open_pem(path, err);

    if (bio == NULL)
        return NULL;
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (cert == NULL)
        cert_error(err, "not a certificate");
    return cert;
}

static EVP_PKEY *read_key(const char *path, struct error **err)
{
    CLEANUP(bio) BIO *bio = open_pem(path, err);

    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    if (key == NULL)
        cert_error(err, "not a private key");
    return key;
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value, struct error **err)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (extension == NULL || X509_add_ext(cert, extension, -1) != 1) {
        X509_EXTENSION_free(extension);
        return cert_error(err, "cannot add an extension to a certificate");
    }
    X509_EXTENSION_free(extension);
    return 0;
}

static int add_hosts(X509 *cert, X509 *issuer, const char *const *hosts, struct error **err)
{
    CLEANUP(buf) struct buf names = BUF_INIT(8192);

    for (size_t i = 0; hosts[i] != NULL; i++) {
        unsigned char address[16];
        bool is_ip = inet_pton(AF_INET, hosts[i], address) == 1 ||
                     inet_pton(AF_INET6, hosts[i], address) == 1;
        buf_printf(&names, "%s%s:%s", i == 0 ? "" : ",", is_ip ? "IP" : "DNS", hosts[i]);
    }
    if (buf_check(&names, err) == -1)
        return -1;
    return names.len == 0 ? 0 : add_extension(cert, issuer, NID_subject_alt_name, names.ptr, err);
}

static int set_serial(X509 *cert, struct error **err)
{
    unsigned char bytes[16];
    BIGNUM *number = NULL;

    random_bytes(bytes, sizeof(bytes));
    bytes[0] &= 0x7f;
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok ? 0 : cert_error(err, "cannot set a serial number");
}

static int set_subject(X509 *cert, const struct tls_cert_spec *spec, struct error **err)
{
    X509_NAME *name = X509_get_subject_name(cert);

    for (size_t i = 0; spec->organizations != NULL && spec->organizations[i] != NULL; i++)
        if (X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                       (const unsigned char *)spec->organizations[i], -1, -1,
                                       0) != 1)
            return cert_error(err, "cannot set a certificate's organization");
    if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)spec->common_name, -1, -1, 0) != 1)
        return cert_error(err, "cannot set a certificate's name");
    return 0;
}

/* A certificate for KEY without extensions and signature. */
static X509 *new_cert(EVP_PKEY *key, const struct tls_cert_spec *spec, int days,
                      struct error **err)
{
    X509 *cert = X509_new();

    if (cert == NULL || X509_set_version(cert, X509_VERSION_3) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) == NULL ||
        X509_set_pubkey(cert, key) != 1) {
        X509_free(cert);
        cert_error(err, "cannot make a certificate");
        return NULL;
    }
    if (set_serial(cert, err) == -1 || set_subject(cert, spec, err) == -1) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

int tls_ensure_ca(const char *cert_path, const char *key_path, const char *name,
                  struct error **err)
{
    if (file_exists(cert_path) && file_exists(key_path))
        return 0;

    CLEANUP(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return cert_error(err, "cannot make a key");
    struct tls_cert_spec spec = {.common_name = name};
    CLEANUP(x509) X509 *cert = new_cert(key, &spec, CA_DAYS, err);
    if (cert == NULL)
        return -1;
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    if (add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE", err) == -1 ||
        add_extension(cert, cert, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign",
                      err) == -1 ||
        add_extension(cert, cert, NID_subject_key_identifier, "hash", err) == -1)
        return -1;
    if (X509_sign(cert, key, EVP_sha256()) == 0)
        return cert_error(err, "cannot sign a certificate");

    if (write_key(key, key_path, err) == -1 || write_cert(cert, cert_path, err) == -1)
        return error_wrap(err, "cannot keep the certificate authority");
    return 0;
}

static bool is_still_good(const char *cert_path, const char *key_path)
{
    CLEANUP(error) struct error *ignored = NULL; /* one that cannot be read is made anew */

    if (!file_exists(cert_path) || !file_exists(key_path))
        return false;
    CLEANUP(x509) X509 *cert = read_cert(cert_path, &ignored);
    if (cert == NULL)
        return false;
    time_t later = time(NULL) + RENEW_DAYS * DAY_S;
    return X509_cmp_time(X509_get0_notAfter(cert), &later) > 0;
}

int tls_ensure_cert(const char *ca_cert_path, const char *ca_key_path, const char *cert_path,
                    const char *key_path, const struct tls_cert_spec *spec, struct error **err)
{
    if (is_still_good(cert_path, key_path))
        return 0;

    CLEANUP(x509) X509 *ca = read_cert(ca_cert_path, err);
    if (ca == NULL)
        return error_wrap(err, "authority \"%s\"", ca_cert_path);
    CLEANUP(pkey) EVP_PKEY *ca_key = read_key(ca_key_path, err);
    if (ca_key == NULL)
        return error_wrap(err, "authority's key \"%s\"", ca_key_path);
    CLEANUP(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return cert_error(err, "cannot make a key");
    CLEANUP(x509) X509 *cert = new_cert(key, spec, CERT_DAYS, err);
    if (cert == NULL)
        return -1;

    X509_set_issuer_name(cert, X509_get_subject_name(ca));
    if (add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE", err) == -1 ||
        add_extension(cert, ca, NID_key_usage, "critical,digitalSignature,keyEncipherment", err) ==
            -1 ||
        add_extension(cert, ca, NID_ext_key_usage, spec->client ? "clientAuth" : "serverAuth",
                      err) == -1 ||
        add_extension(cert, ca, NID_authority_key_identifier, "keyid", err) == -1)
        return -1;
    if (spec->hosts != NULL && add_hosts(cert, ca, spec->hosts, err) == -1)
        return -1;
    if (X509_sign(cert, ca_key, EVP_sha256()) == 0)
        return cert_error(err, "cannot sign a certificate");

    if (write_key(key, key_path, err) == -1 || write_cert(cert, cert_path, err) == -1)
        return error_wrap(err, "cannot keep a certificate");
    return 0;
}
