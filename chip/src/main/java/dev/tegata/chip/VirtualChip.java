// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.security.SecureRandom;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;

/// A virtual secure element of the ECC608 family.
public final class VirtualChip {
    /// Where a chip of the Trust&GO kind keeps its certificates: compressed device certificate, signer's public key,
    /// compressed signer certificate.
    static final int DEVICE_CERTIFICATE_SLOT = 10;

    static final int SIGNER_KEY_SLOT = 11;
    static final int SIGNER_CERTIFICATE_SLOT = 12;
    static final int ROOT_KEY_ID_IN_OTP = 32;

    private final Preset preset;
    private final ChipMemory memory;
    private final SecureRandom random;

    private VirtualChip(Preset preset, ChipMemory memory, SecureRandom random) {
        this.preset = preset;
        this.memory = memory;
        this.random = random;
    }

    /// A new chip as the factory of this kind ships it, except for certificates.
    public static VirtualChip create(Preset preset, SecureRandom random) {
        return new VirtualChip(preset, preset.provision(random), random);
    }

    public Preset preset() {
        return preset;
    }

    /// The nine bytes of the serial number: `01 23 … 01`.
    public byte[] serial() {
        return memory.serial();
    }

    /// The four bytes that name the silicon's revision.
    byte[] revision() {
        return memory.readConfig(4, 4);
    }

    /// The public keys (X ‖ Y) of all slots that hold a private key, by slot.
    public SequencedMap<Integer, byte[]> publicKeys() {
        TreeMap<Integer, byte[]> keys = new TreeMap<>();
        for (int slot = 0; slot < ChipMemory.SLOTS; slot++) {
            if (memory.policy(slot).isPrivateKey() && P256.isPrivateKey(memory.privateKey(slot))) {
                keys.put(slot, publicKey(slot));
            }
        }
        return keys;
    }

    /// The public key (X ‖ Y) of a slot's private key.
    ///
    /// @throws IllegalArgumentException where the slot holds none
    public byte[] publicKey(int slot) {
        requirePrivateKey(slot);
        return P256.publicKey(memory.privateKey(slot));
    }

    /// Signs a SHA-256 digest made outside the chip; r ‖ s.
    ///
    /// @throws IllegalArgumentException where the slot holds no private key, or its policy forbids external data
    public byte[] sign(int slot, byte[] digest) {
        requirePrivateKey(slot);
        if (!memory.policy(slot).mayExternalSign()) {
            throw new IllegalArgumentException("slot " + slot + " does not sign external data");
        }
        return P256.sign(memory.privateKey(slot), digest, random);
    }

    private void requirePrivateKey(int slot) {
        if (slot < 0 || slot >= ChipMemory.SLOTS || !memory.policy(slot).isPrivateKey()) {
            throw new IllegalArgumentException("slot " + slot + " holds no private key");
        }
    }

    /// The vendor's certificates as DER, device first, rebuilt from what the chip stores; empty where it has none.
    public List<byte[]> certificateChain() {
        byte[] device = memory.readSlot(DEVICE_CERTIFICATE_SLOT, 0, CompressedCertificate.LENGTH);
        if (preset != Preset.TRUST_GO || Arrays.equals(device, new byte[device.length])) {
            return List.of();
        }
        VendorCertificates.Stored stored = new VendorCertificates.Stored(
                device,
                memory.publicKey(SIGNER_KEY_SLOT),
                memory.readSlot(SIGNER_CERTIFICATE_SLOT, 0, CompressedCertificate.LENGTH),
                memory.readOtp(ROOT_KEY_ID_IN_OTP, 20));
        return VendorCertificates.rebuild(serial(), publicKey(0), stored);
    }

    /// Puts the vendor's certificates in and locks their slots: the last step of the factory.
    void storeCertificates(VendorCertificates.Stored certificates) {
        memory.writeSlot(DEVICE_CERTIFICATE_SLOT, 0, certificates.device());
        memory.setPublicKey(SIGNER_KEY_SLOT, certificates.signerPublicKey());
        memory.writeSlot(SIGNER_CERTIFICATE_SLOT, 0, certificates.signer());
        memory.writeOtp(ROOT_KEY_ID_IN_OTP, certificates.rootKeyId());
        memory.lockSlot(DEVICE_CERTIFICATE_SLOT);
        memory.lockSlot(SIGNER_KEY_SLOT);
        memory.lockSlot(SIGNER_CERTIFICATE_SLOT);
    }
}
