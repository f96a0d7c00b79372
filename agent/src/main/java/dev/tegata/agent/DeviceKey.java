// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.PublicKeyInfo;
import java.io.IOException;
import java.security.PrivateKey;
import org.jspecify.annotations.Nullable;

/// A P-256 key that stays where it is: it signs digests and has no encoding.
///
/// It is a [PrivateKey] so that TLS can use it; [DeviceKeyProvider] makes its signatures.
public abstract class DeviceKey implements PrivateKey {
    private static final long serialVersionUID = 1L;

    private final transient PublicKeyInfo publicKey;

    /// Why its last signature for TLS failed, which TLS itself does not tell.
    private transient volatile @Nullable IOException failure;

    protected DeviceKey(PublicKeyInfo publicKey) {
        this.publicKey = requireP256(publicKey);
    }

    /// The key in a slot of a virtual chip.
    ///
    /// @throws IllegalArgumentException where the slot holds no key that signs external data
    public static DeviceKey inChip(VirtualChip chip, int slot) {
        try {
            PublicKeyInfo publicKey = ofPoint(chip.publicKey(slot));
            return new DeviceKey(publicKey) {
                private static final long serialVersionUID = 1L;

                @Override
                protected byte[] signDigest(byte[] digest) {
                    return chip.sign(slot, digest);
                }
            };
        } catch (InvalidKeyInfoException e) {
            throw new IllegalArgumentException("slot " + slot + " holds no valid public key", e);
        }
    }

    public final PublicKeyInfo publicKey() {
        return publicKey;
    }

    /// Signs a SHA-256 digest; r ‖ s, 64 bytes.
    ///
    /// @throws IOException where what holds the key was not reached, or refused
    protected abstract byte[] signDigest(byte[] digest) throws IOException;

    /// As [#signDigest], for [DeviceKeyProvider].
    final byte[] signForTls(byte[] digest) throws IOException {
        try {
            failure = null;
            return signDigest(digest);
        } catch (IOException e) {
            failure = e;
            throw e;
        }
    }

    /// @throws KeyUnavailableException where the last signature for TLS failed
    final void requireSignatures() {
        IOException why = failure;
        if (why != null) {
            failure = null;
            throw new KeyUnavailableException(why);
        }
    }

    /// Signs a message; the signature is DER, as certificates carry it.
    ///
    /// @throws KeyUnavailableException where what holds the key was not reached, or refused
    public final byte[] sign(byte[] message) {
        try {
            return EcdsaSignature.derOf(signDigest(Bytes.sha256(message).toArray()));
        } catch (IOException e) {
            throw new KeyUnavailableException(e);
        }
    }

    /// The key is where it was, and cannot be used just now.
    public static final class KeyUnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        KeyUnavailableException(IOException cause) {
            super("the device's key cannot be used: " + cause.getMessage(), cause);
        }
    }

    /// The public key of a chip's X ‖ Y.
    static PublicKeyInfo ofPoint(byte[] point) throws InvalidKeyInfoException {
        return PublicKeyInfo.ofP256Point(Bytes.of(point, 0, 32), Bytes.of(point, 32, 32));
    }

    static PublicKeyInfo requireP256(PublicKeyInfo key) {
        if (key.algorithm() != KeyAlgorithm.EC_P256) {
            throw new IllegalArgumentException(
                    "a device's key is of P-256, not " + key.algorithm().id());
        }
        return key;
    }

    @Override
    public final String getAlgorithm() {
        return "EC";
    }

    /// None: the key does not leave its chip.
    @Override
    @SuppressWarnings("NullAway") // The JDK's contract for keys without an encoding is null.
    public final String getFormat() {
        return null;
    }

    @Override
    @SuppressWarnings("NullAway")
    public final byte[] getEncoded() {
        return null;
    }

    @Override
    public final String toString() {
        return "DeviceKey[" + publicKey + "]";
    }
}
