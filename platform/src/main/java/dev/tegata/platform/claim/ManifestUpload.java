// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import dev.tegata.platform.FleetId;
import java.io.InputStream;

/// A file to import.
///
/// @param fleet what its devices will belong to
/// @param fileName as the sender calls it; only shown, never used to tell the format
/// @param content read once, to its end where possible; the caller closes it
public record ManifestUpload(FleetId fleet, String fileName, InputStream content, ImportOptions options) {}
