// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import java.util.Locale;

/// Every setting of the server: its name, its default, and what it is for. This file is the whole list.
///
/// A setting is given on the command line (`--api-port 9443`), in the environment (`TEGATA_API_PORT=9443`)
/// or in the configuration file (`api-port: 9443`); the first of these that names it wins.
public enum Setting {
    DATA("tegata-data", "Folder for everything that is kept here: database, vault key, TLS identity, operator key."),
    DATABASE("", "postgresql://user@host:port/name of a PostgreSQL; without it, one is started under the data folder."),
    DATABASE_PASSWORD_FILE("", "File with the database password, which so stays out of the URL."),
    DATABASE_POOL("16", "How many connections to the database this process opens at most."),
    VAULT("software", "Where private keys live: 'software' (sealed in the database) or 'pkcs11'."),
    VAULT_PASSPHRASE_FILE(
            "",
            "File with the passphrase that seals the software vault; without it, a key file in the data folder does."),
    VAULT_NEXT_PASSPHRASE_FILE(
            "",
            "File with the passphrase, or the 32 bytes in base64, that keys are to be sealed under next;"
                    + " see 'tegata vault rotate-key'."),
    VAULT_PASSPHRASE("", "The passphrase itself; only from the environment."),
    PKCS11_LIBRARY("", "The HSM's PKCS#11 library."),
    PKCS11_SECRET_FILE(
            "",
            "File with the secret that the PINs of the tenants' tokens are made from, or with the shared token's PIN."),
    PKCS11_TOKEN(
            "", "Label of one token that holds all tenants' keys; without it, each tenant gets a token of its own."),
    PKCS11_REPLICAS(
            "",
            "More tokens that hold the same keys and have the same PIN, as LABEL or LIBRARY:LABEL, separated by commas;"
                    + " signing goes on with them where the first is away. Needs pkcs11-token."),
    PKCS11_SESSIONS("8", "How many calls the PKCS#11 library gets at once."),
    PKCS11_TIMEOUT(
            "20",
            "After how many seconds a call into the PKCS#11 library is given up; making a key may take ten times as long."),
    LISTEN("127.0.0.1", "Address that all ports are bound to; 0.0.0.0 or :: for all."),
    API_PORT("8443", "Port of the API (TLS); 0 for any that is free."),
    DEVICE_PORT("8444", "Port of the devices (TLS, client certificates); 0 for any that is free."),
    PUBLIC_PORT("8080", "Port of CRLs, OCSP, CA certificates and health (plain HTTP); 0 for any that is free."),
    PUBLIC_URL(
            "",
            "http:// URL of the public port as others reach it; stands in every certificate. Without it, localhost."),
    CMP_OVER_HTTP(
            "false",
            "'true' offers CMP on the public port too, over plain HTTP: its messages carry their own protection."),
    COAP("false", "'true' offers EST over CoAP (RFC 9148), on a UDP port with DTLS."),
    COAP_PORT("5684", "Port of EST over CoAP (UDP, DTLS, client certificates); 0 for any that is free."),
    WEBHOOK_PRIVATE_TARGETS(
            "false",
            "'true' lets webhooks go to loopback, link-local and private addresses, and there over plain HTTP too, and"
                    + " revocation lists of other CAs be fetched from there."),
    METRICS_PORT("9464", "Port of the metrics (plain HTTP); 0 for any that is free."),
    TLS_NAMES("", "Host names and addresses, separated by commas, that the server's own certificate is made for."),
    TLS_CERTIFICATE("", "PEM file with your own certificate and its chain, instead of the server's own."),
    TLS_KEY("", "PEM file with the key of tls-certificate.");

    private final String fallback;
    private final String description;

    Setting(String fallback, String description) {
        this.fallback = fallback;
        this.description = description;
    }

    /// `api-port`, as on the command line and in the file.
    public String key() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// `TEGATA_API_PORT`.
    public String variable() {
        return "TEGATA_" + name();
    }

    /// The value where nobody gives one; empty for none.
    public String fallback() {
        return fallback;
    }

    public String description() {
        return description;
    }

    /// Whether it may stand in files and arguments: a secret may not.
    public boolean isSecret() {
        return this == VAULT_PASSPHRASE;
    }
}
