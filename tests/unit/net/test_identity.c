/* SPDX-License-Identifier: Apache-2.0 */
#include "test_identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "server_fixture.h"

static void to_pem(struct identity *id)
{
    BIO *bio = BIO_new(BIO_s_mem());
    REQUIRE(PEM_write_bio_X509(bio, id->certificate) == 1);
    int n = BIO_read(bio, id->certificate_pem, sizeof id->certificate_pem - 1);
    id->certificate_pem[n] = '\0';
    REQUIRE(PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL) == 1);
    n = BIO_read(bio, id->key_pem, sizeof id->key_pem - 1);
    id->key_pem[n] = '\0';
    BIO_free(bio);
}

struct identity identity_create(const char *name, const struct identity *issuer)
{
    struct identity id = { .key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
                           .certificate = X509_new() };
    REQUIRE(id.key);
    X509 *x = id.certificate;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, id.key);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate) : subject);
    X509_EXTENSION *is_ca =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, issuer ? "CA:FALSE" : "CA:TRUE");
    X509_add_ext(x, is_ca, -1);
    X509_EXTENSION_free(is_ca);
    char names[128];
    (void)snprintf(names, sizeof names, "DNS:%s,IP:127.0.0.1", name);
    X509_EXTENSION *alternatives = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(x, alternatives, -1);
    X509_EXTENSION_free(alternatives);
    REQUIRE(X509_sign(x, issuer ? issuer->key : id.key, EVP_sha256()) > 0);
    to_pem(&id);
    return id;
}

void identity_destroy(struct identity *id)
{
    X509_free(id->certificate);
    EVP_PKEY_free(id->key);
}

struct tls_options options_of(const struct identity *id)
{
    return (struct tls_options){ .certificate_pem = str_of_z(id->certificate_pem),
                                 .key_pem = str_of_z(id->key_pem) };
}
