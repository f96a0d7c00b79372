// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent.run;

import java.util.Optional;

/// The settings of the agent, as its file has them: one `key = value` per line.
enum AgentSetting {
    SERVER("server", "The server's device port: https://devices.example:8444."),
    RELAY(
            "relay",
            "A gateway, such as http://192.168.4.1:8445, for a device without a network of its own. "
                    + "'server' is not needed then, and 'trust-anchors' are the fleet's root CAs."),
    FLEET("fleet", "The fleet's public id."),
    TRUST_ANCHORS(
            "trust-anchors", "PEM file of the CAs that the server's certificate may lead to at the first contact."),
    DATA("data", "Folder for what the agent remembers."),
    KEYS("keys", "Where the keys live: chip-file, chip-tcp, chip-i2c, tpm, pkcs11 or file."),
    SERIAL("serial", "The serial number under which the device was claimed. A chip tells its own."),
    BIRTH_CHAIN(
            "birth-chain",
            "PEM file of the birth certificate and its issuers. A virtual chip has its own; "
                    + "where there is none, the device makes a self-signed one around its birth key."),
    CLAIM_TOKEN_FILE(
            "claim-token-file",
            "File with a one-time claim token, for a device whose keys were not claimed. Not by way of a gateway."),
    CHIP_FILE("chip-file", "chip-file: the file of a virtual chip."),
    CHIP_ADDRESS("chip-address", "chip-tcp: host and port of a chip, as 'tegata chip serve' has it."),
    CHIP_DEVICE("chip-device", "chip-i2c: the bus, such as /dev/i2c-1."),
    CHIP_I2C_ADDRESS("chip-i2c-address", "chip-i2c: the chip's address in seven bits, such as 0x35."),
    TPM("tpm", "tpm: the device /dev/tpmrm0, or host:port of a TPM simulator."),
    TPM_BIRTH_HANDLE("tpm-birth-handle", "tpm: the persistent handle of the birth key, such as 0x81000001."),
    TPM_QUOTE_HANDLE(
            "tpm-quote-handle", "tpm: the persistent handle of the attestation key. Without it there are no quotes."),
    TPM_QUOTE_CHAIN("tpm-quote-chain", "tpm: PEM file of the attestation key's certificate and its issuers."),
    TPM_ENDORSEMENT_HANDLE(
            "tpm-endorsement-handle",
            "tpm: the persistent handle of the RSA endorsement key, such as 0x81010001. With it the agent has the server"
                    + " learn the attestation key by credential activation; its certificate is in the TPM."),
    TPM_ENDORSEMENT_ISSUERS(
            "tpm-endorsement-issuers",
            "tpm: PEM file of the certificates between the endorsement key's and the maker's root."),
    TPM_EVENT_LOG(
            "tpm-event-log", "tpm: the boot's event log, such as /sys/kernel/security/tpm0/binary_bios_measurements."),
    PKCS11_LIBRARY("pkcs11-library", "pkcs11: the module."),
    PKCS11_TOKEN("pkcs11-token", "pkcs11: the token's label."),
    PKCS11_PIN_FILE("pkcs11-pin-file", "pkcs11: file with the user PIN."),
    PKCS11_LABEL("pkcs11-label", "pkcs11: CKA_LABEL of the device's keys."),
    PKCS11_BIRTH_ID("pkcs11-birth-id", "pkcs11: CKA_ID of the birth key, 32 hex digits."),
    KEY_FILE("key-file", "file: the birth key, PKCS#8 in PEM, P-256."),
    RENEW_AT(
            "renew-at",
            "The point at which a certificate is renewed, from 0.1 to 0.95 of the life that it has ahead when it comes."
                    + " Default: 0.667."),
    NEW_KEY_AT_RENEWAL("new-key-at-renewal", "true: each renewal is for a new key. Default: false."),
    PARALLEL_KEY(
            "parallel-key",
            "A second, post-quantum key and certificate for fleets that offer them: ml-dsa-44, ml-dsa-65 or ml-dsa-87."),
    PSA_KEY_FILE("psa-key-file", "Evidence by PSA tokens: the initial attestation key, PKCS#8 in PEM, P-256."),
    PSA_CHAIN("psa-chain", "PEM file of that key's certificate and its issuers."),
    PSA_IMPLEMENTATION_ID("psa-implementation-id", "64 hex digits that name the hardware.");

    /// Settings that begin like this tell what runs on the device: `firmware.app = 1.4.2 sha256:…`.
    static final String FIRMWARE = "firmware.";

    private final String key;
    private final String description;

    AgentSetting(String key, String description) {
        this.key = key;
        this.description = description;
    }

    String key() {
        return key;
    }

    String description() {
        return description;
    }

    static Optional<AgentSetting> of(String key) {
        for (AgentSetting setting : values()) {
            if (setting.key.equals(key)) {
                return Optional.of(setting);
            }
        }
        return Optional.empty();
    }
}
