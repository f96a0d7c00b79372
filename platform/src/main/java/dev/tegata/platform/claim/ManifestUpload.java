// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.FleetId;
import dev.tegata.platform.ManifestId;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/// A file to import.
///
/// @param fleet what its devices will belong to
/// @param fileName as the sender calls it; only shown, never used to tell the format
/// @param content read once, to its end where possible; the caller closes it
/// @param id that the sender gave the import, so as to follow it while it runs; null for one of ours
public record ManifestUpload(
        FleetId fleet,
        String fileName,
        InputStream content,
        ImportOptions options,
        @Nullable ManifestId id) {
    public ManifestUpload(FleetId fleet, String fileName, InputStream content, ImportOptions options) {
        this(fleet, fileName, content, options, null);
    }
}
