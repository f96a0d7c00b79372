// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.cbor;

/// What a reader puts up with.
///
/// `maxDepth` counts nested arrays, maps and tags; `maxItems` all items of the document, so that a small
/// document cannot become a large tree of objects. `structuredKeys` is for small documents only: such keys
/// of a map can be made to collide.
public record CborLimits(int maxSize, int maxDepth, int maxItems, boolean indefiniteLengths, boolean structuredKeys) {
    /// Evidence, tokens and results: 64 KiB.
    public static final CborLimits TOKEN = new CborLimits(64 * 1024, 16, 8 * 1024, true);

    /// Endorsements: 4 MiB.
    public static final CborLimits DOCUMENT = new CborLimits(4 * 1024 * 1024, 24, 256 * 1024, true);

    /// Descriptions whose maps may have arrays as keys, such as a SUIT manifest's text.
    public static final CborLimits DESCRIPTION = new CborLimits(64 * 1024, 8, 512, true, true);

    public CborLimits(int maxSize, int maxDepth, int maxItems, boolean indefiniteLengths) {
        this(maxSize, maxDepth, maxItems, indefiniteLengths, false);
    }

    public CborLimits definiteLengthsOnly() {
        return new CborLimits(maxSize, maxDepth, maxItems, false, structuredKeys);
    }
}
