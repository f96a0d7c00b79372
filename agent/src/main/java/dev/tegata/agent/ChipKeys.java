// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.chip.driver.Ecc608;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/// Keys in a chip of the ECC608 family, virtual or real: the birth key in slot 0, those of the field in
/// slots 2 to 4.
///
/// A key's name is its slot: `slot-2`. The chip makes a new key over an old one, in a slot that nobody
/// uses.
public final class ChipKeys implements DeviceKeys {
    static final int BIRTH_SLOT = 0;
    private static final List<Integer> RENEWABLE = List.of(2, 3, 4);
    private static final String PREFIX = "slot-";

    private final Ecc608 chip;
    private final DeviceKey birthKey;
    private final List<Bytes> birthChain;

    private ChipKeys(Ecc608 chip, DeviceKey birthKey, List<Bytes> birthChain) {
        this.chip = chip;
        this.birthKey = birthKey;
        this.birthChain = List.copyOf(birthChain);
    }

    /// The keys in this chip, which is closed in the end.
    ///
    /// @param birthChain the vendor's certificates in DER, the device's own first
    public static ChipKeys of(Ecc608 chip, List<Bytes> birthChain) throws IOException {
        DeviceKey key = new SlotKey(chip, BIRTH_SLOT, publicKey(chip.publicKey(BIRTH_SLOT)));
        return new ChipKeys(chip, key, birthChain);
    }

    /// As [#of(Ecc608, List)], with the certificates that a chip of the virtual vendor stores.
    public static ChipKeys of(Ecc608 chip) throws IOException {
        return of(chip, chip.certificateChain().stream().map(Bytes::of).toList());
    }

    /// The driver, for evidence about the keys.
    public Ecc608 chip() {
        return chip;
    }

    @Override
    public DeviceIdentity birth() {
        return DeviceIdentity.of(birthKey, birthChain);
    }

    @Override
    public Made make(Set<String> inUse) throws IOException {
        for (int slot : RENEWABLE) {
            String name = PREFIX + slot;
            if (!inUse.contains(name)) {
                return new Made(name, new SlotKey(chip, slot, publicKey(chip.newKey(slot))));
            }
        }
        throw new IOException("all slots of the chip hold keys in use");
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        int slot = slot(name);
        return new SlotKey(chip, slot, publicKey(chip.publicKey(slot)));
    }

    /// The slot of a key that was made here.
    static int slot(String name) throws IOException {
        for (int slot : RENEWABLE) {
            if (name.equals(PREFIX + slot)) {
                return slot;
            }
        }
        throw new IOException("the chip has no key called '" + name + "'");
    }

    /// Lets the chip make a key over the old one, which is gone then for good.
    @Override
    public void forget(String name) throws IOException {
        chip.newKey(slot(name));
    }

    @Override
    public void close() throws IOException {
        chip.close();
    }

    private static PublicKeyInfo publicKey(byte[] point) throws IOException {
        try {
            return DeviceKey.ofPoint(point);
        } catch (InvalidKeyInfoException e) {
            throw new IOException("the chip holds no valid public key: " + e.getMessage(), e);
        }
    }

    private static final class SlotKey extends DeviceKey {
        private static final long serialVersionUID = 1L;

        private final transient Ecc608 chip;
        private final int slot;

        SlotKey(Ecc608 chip, int slot, PublicKeyInfo publicKey) {
            super(publicKey);
            this.chip = chip;
            this.slot = slot;
        }

        @Override
        protected byte[] signDigest(byte[] digest) throws IOException {
            return chip.sign(slot, digest);
        }
    }
}
