// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.security.PrivateKey;

/// A P-256 key that stays where it is: it signs digests and has no encoding.
///
/// It is a [PrivateKey] so that TLS can use it; [DeviceKeyProvider] makes its signatures.
public abstract class DeviceKey implements PrivateKey {
    private static final long serialVersionUID = 1L;

    private final transient PublicKeyInfo publicKey;

    protected DeviceKey(PublicKeyInfo publicKey) {
        this.publicKey = publicKey;
    }

    /// The key in a slot of a virtual chip.
    ///
    /// @throws IllegalArgumentException where the slot holds no key that signs external data
    public static DeviceKey inChip(VirtualChip chip, int slot) {
        byte[] point = chip.publicKey(slot);
        try {
            PublicKeyInfo publicKey = PublicKeyInfo.ofP256Point(Bytes.of(point, 0, 32), Bytes.of(point, 32, 32));
            return new DeviceKey(publicKey) {
                private static final long serialVersionUID = 1L;

                @Override
                byte[] signDigest(byte[] digest) {
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
    abstract byte[] signDigest(byte[] digest);

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
