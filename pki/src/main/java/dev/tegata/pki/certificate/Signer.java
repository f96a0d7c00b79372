// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

/// Makes a signature over `data` (hashed by the signer), in the form that certificates carry. A vault fits:
/// `data -> vault.sign(space, handle, algorithm, data)`.
@FunctionalInterface
public interface Signer {
    byte[] sign(byte[] data);
}
