// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

/// A format that is recognised by its content. `id` is its name in the API and in storage.
public enum ManifestFormat {
    MICROCHIP_JSON("microchip-json"),
    INFINEON_REEL("infineon-reel"),
    ESPRESSIF_CSV("espressif-csv"),
    CSV("csv"),
    PEM("pem");

    private final String id;

    ManifestFormat(String id) {
        this.id = id;
    }

    public String id() {
        return id;
    }
}
