// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.http;

/// A certificate chain, leaf first, and the leaf's private key, both as PEM.
@SuppressWarnings("ArrayRecordComponent")
public record PemMaterial(byte[] chain, byte[] key) {
    /// Shows nothing: it holds a private key.
    @Override
    public String toString() {
        return "PemMaterial";
    }
}
