// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.chip.ChipConfiguration;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.InvalidKeyInfoException;
import dev.tegata.pki.key.PublicKeyInfo;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Keys in a chip of the ECC608 family, virtual or real: the birth key in slot 0, those of the field in the
/// other slots in which its configuration lets it make any. Trust&GO and TrustFLEX have three of them, and
/// a birth key with the vendor's certificate. TrustMANAGER has one (slot 3), and its birth key is made when
/// the agent first sees the chip.
///
/// A key's name is its slot: `slot-2`. The chip makes a new key over an old one, in a slot that nobody
/// uses.
public final class ChipKeys implements DeviceKeys {
    static final int BIRTH_SLOT = 0;
    private static final int SLOTS = 16;
    private static final String PREFIX = "slot-";

    private final Ecc608 chip;
    private final DeviceKey birthKey;
    private final List<Bytes> birthChain;
    private final List<Integer> renewable;

    private ChipKeys(Ecc608 chip, DeviceKey birthKey, List<Bytes> birthChain, List<Integer> renewable) {
        this.chip = chip;
        this.birthKey = birthKey;
        this.birthChain = List.copyOf(birthChain);
        this.renewable = List.copyOf(renewable);
    }

    /// The keys in this chip, which is closed in the end.
    ///
    /// @param birthChain the vendor's certificates in DER, the device's own first
    public static ChipKeys of(Ecc608 chip, List<Bytes> birthChain) throws IOException {
        return of(chip, chip.configuration(), birthChain);
    }

    private static ChipKeys of(Ecc608 chip, ChipConfiguration configuration, List<Bytes> birthChain)
            throws IOException {
        boolean unborn = configuration.makesSigningKeys(BIRTH_SLOT) && !chip.hasKey(BIRTH_SLOT);
        PublicKeyInfo birth = publicKey(unborn ? chip.newKey(BIRTH_SLOT) : chip.publicKey(BIRTH_SLOT));
        List<Integer> renewable = IntStream.range(BIRTH_SLOT + 1, SLOTS)
                .filter(configuration::makesSigningKeys)
                .boxed()
                .toList();
        return new ChipKeys(chip, new SlotKey(chip, BIRTH_SLOT, birth), birthChain, renewable);
    }

    /// As [#of(Ecc608, List)], with the certificates that a chip of the virtual vendor stores: none around
    /// a key that the field makes.
    public static ChipKeys of(Ecc608 chip) throws IOException {
        ChipConfiguration configuration = chip.configuration();
        List<byte[]> chain = configuration.makesSigningKeys(BIRTH_SLOT) ? List.of() : chip.certificateChain();
        return of(chip, configuration, chain.stream().map(Bytes::of).toList());
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
    public String nameNext(Set<String> inUse) throws NoRoomException {
        return renewable.stream()
                .map(slot -> PREFIX + slot)
                .filter(name -> !inUse.contains(name))
                .findFirst()
                .orElseThrow(() -> new NoRoomException("all slots of the chip hold keys in use"));
    }

    @Override
    public Made make(String name) throws IOException {
        int slot = made(name);
        return new Made(name, new SlotKey(chip, slot, publicKey(chip.newKey(slot))));
    }

    @Override
    public DeviceKey open(String name) throws IOException {
        int slot = made(name);
        return new SlotKey(chip, slot, publicKey(chip.publicKey(slot)));
    }

    private int made(String name) throws IOException {
        int slot = slot(name);
        if (!renewable.contains(slot)) {
            throw new IOException("the chip makes no keys in slot " + slot);
        }
        return slot;
    }

    /// The slot of a key by its name.
    static int slot(String name) throws IOException {
        if (!name.matches(PREFIX + "1?[0-9]")) {
            throw new IOException("the chip has no key called '" + name + "'");
        }
        return Integer.parseInt(name.substring(PREFIX.length()));
    }

    /// Lets the chip make a key over the old one, which is gone then for good.
    @Override
    public void forget(String name) throws IOException {
        chip.newKey(made(name));
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
