// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.key;

/// Where private keys live. A key is used by its handle and never leaves: there is no method that
/// returns one.
///
/// Every method is safe for use by many threads. A handle is good only in the space it was made in.
/// [VaultException] tells what failed and whether a retry can help.
public interface Vault extends AutoCloseable {
    /// Makes room for a tenant's keys. Does nothing where the space exists already.
    void createSpace(KeySpace space);

    /// Makes a key pair inside the vault; it is durable when this returns.
    KeyHandle generate(KeySpace space, KeyAlgorithm algorithm);

    /// Takes in a private key made elsewhere.
    ///
    /// @param pkcs8 DER PrivateKeyInfo (RFC 5958), which the caller wipes afterwards
    KeyHandle importKey(KeySpace space, byte[] pkcs8);

    /// The public half of a key.
    PublicKeyInfo publicKey(KeySpace space, KeyHandle key);

    /// Signs `data` (hashed here). ECDSA signatures are DER Ecdsa-Sig-Value (RFC 3279 §2.2.3).
    byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, byte[] data);

    /// As [#sign], for data too long to be held in memory. Where the algorithm cannot do without, it is
    /// held there.
    default byte[] sign(KeySpace space, KeyHandle key, SignatureAlgorithm algorithm, LongData data) {
        return sign(space, key, algorithm, data.toArray());
    }

    /// Destroys a key for good. Does nothing where it does not exist.
    void destroy(KeySpace space, KeyHandle key);

    /// How it is doing, without asking it.
    default VaultCondition condition() {
        return VaultCondition.WELL;
    }

    /// `software` or `pkcs11`, as the API shows it.
    String kind();

    @Override
    void close();
}
