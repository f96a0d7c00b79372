// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.PublicIds;
import dev.tegata.platform.TenantId;
import java.util.Optional;

/// The text of an API key, `tgt_<tenant>_<key>_<secret>`, taken apart. The tenant stands in it so that a key is looked
/// up behind that tenant's wall.
///
/// @param secretHash SHA-256 of the secret, which is not kept
record ApiKeyText(TenantId tenant, String keyId, Bytes secretHash) {
    static final String PREFIX = "tgt_";
    static final int KEY_ID_LENGTH = 8;

    /// Empty where `text` has another form.
    static Optional<ApiKeyText> parse(String text) {
        // The secret is base64url and may hold '_' itself.
        String[] parts = text.split("_", 4);
        if (parts.length != 4
                || !text.startsWith(PREFIX)
                || !TenantId.isValid(parts[1])
                || parts[2].length() != KEY_ID_LENGTH
                || !PublicIds.isValid(parts[2])) {
            return Optional.empty();
        }
        return Secret.hash(parts[3]).map(hash -> new ApiKeyText(new TenantId(parts[1]), parts[2], hash));
    }
}
