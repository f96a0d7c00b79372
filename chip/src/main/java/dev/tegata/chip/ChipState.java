// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import static dev.tegata.chip.Refusal.refuseUnless;

import java.security.SecureRandom;
import java.util.Arrays;
import javax.crypto.Mac;
import org.jspecify.annotations.Nullable;

/// A chip from within: what it keeps, what it holds while awake, and the rules that all commands share.
final class ChipState {
    static final int NO_SLOT = -1;
    static final int COUNTER_MAX = 2_097_151;

    private static final byte[] TEST_PATTERN = {-1, -1, 0, 0};

    final ChipMemory memory;
    final TempKey tempKey = new TempKey();

    private final SecureRandom random;

    /// Empty, 32 or 64 bytes.
    byte[] messageDigest = new byte[0];

    /// Empty or 32 bytes.
    byte[] alternateKey = new byte[0];

    /// At most one of these two is in progress.
    @Nullable
    Sha256 sha;

    @Nullable
    Mac hmac;

    /// The slot whose key has authorized others (ReqAuth), or [#NO_SLOT].
    int authorizedBy = NO_SLOT;

    /// Set by a secure boot or a volatile key permit; it outlives sleep but not power.
    boolean persistentLatch;

    int selfTestResult;

    ChipState(ChipMemory memory, SecureRandom random) {
        this.memory = memory;
        this.random = random;
    }

    /// All that sleep clears.
    void clearVolatile() {
        tempKey.invalidate();
        Arrays.fill(alternateKey, (byte) 0);
        messageDigest = new byte[0];
        alternateKey = new byte[0];
        authorizedBy = NO_SLOT;
        clearDigests();
    }

    /// What does not survive a wake, even from idle.
    void clearDigests() {
        sha = null;
        hmac = null;
    }

    byte[] serial() {
        return memory.serial();
    }

    /// Random bytes; a fixed pattern until the configuration is locked, so that nobody mistakes a chip in development
    /// for a finished one.
    byte[] random(int length) {
        byte[] bytes = new byte[length];
        if (memory.isConfigLocked()) {
            random.nextBytes(bytes);
        } else {
            for (int i = 0; i < length; i++) {
                bytes[i] = TEST_PATTERN[i & 3];
            }
        }
        return bytes;
    }

    byte[] newPrivateKey() {
        return P256.newPrivateKey(random);
    }

    byte[] sign(int slot, byte[] digest) {
        return signWith(privateKey(slot), digest);
    }

    byte[] signWith(byte[] privateKey, byte[] digest) {
        return P256.sign(privateKey, digest, random);
    }

    void requireConfigLocked() {
        refuseUnless(memory.isConfigLocked());
    }

    void requireDataLocked() {
        refuseUnless(memory.isDataLocked());
    }

    void requireRandomNonce(int slot) {
        refuseUnless(!memory.policy(slot).needsRandom() || tempKey.isRandom());
    }

    /// Whoever uses or changes a slot that asks for it must have shown the authorization key before.
    void requireAuthorization(int slot) {
        SlotPolicy policy = memory.policy(slot);
        refuseUnless(!policy.needsAuthorization() || authorizedBy == policy.authorizationKey());
        refuseUnless(!policy.persistentDisable() || persistentLatch);
    }

    /// The permission to use the key in this slot once; it costs one count where the slot's use is limited.
    void useKey(int slot) {
        requireAuthorization(slot);
        if (memory.policy(slot).limitedUse()) {
            countUse();
        }
    }

    void countUse() {
        int count = counter(0);
        refuseUnless(count < useLimit());
        setCounter(0, count + 1);
    }

    private int useLimit() {
        int match = memory.config(ChipMemory.COUNT_MATCH);
        if ((match & 1) == 0) {
            return COUNTER_MAX;
        }
        byte[] limit = memory.readSlot(match >> 4, 0, 4);
        int value = (limit[0] & 0xFF) | (limit[1] & 0xFF) << 8 | (limit[2] & 0xFF) << 16 | (limit[3] & 0xFF) << 24;
        return Math.clamp(value, 0, COUNTER_MAX);
    }

    int counter(int which) {
        byte[] stored = counterBytes(which);
        return (stored[0] & 0xFF) | (stored[1] & 0xFF) << 8 | (stored[2] & 0xFF) << 16;
    }

    /// The value of a counter in four bytes, low first, as commands show it.
    byte[] counterBytes(int which) {
        return memory.readConfig(ChipMemory.COUNTER + 8 * which + 4, 4);
    }

    void setCounter(int which, int value) {
        memory.setConfig(ChipMemory.COUNTER + 8 * which + 4, value, value >> 8, value >> 16, 0);
    }

    /// The private key in a slot; refused where the slot is no place for one or holds none.
    byte[] privateKey(int slot) {
        refuseUnless(memory.policy(slot).isPrivateKey());
        byte[] key = memory.privateKey(slot);
        refuseUnless(P256.isPrivateKey(key));
        return key;
    }

    /// The public key in a slot; refused where the slot's key must have been validated and is not.
    byte[] publicKey(int slot) {
        SlotPolicy policy = memory.policy(slot);
        refuseUnless(isPublicKeySlot(slot));
        refuseUnless(!policy.pubInfo() || isPublicKeyValid(slot));
        return memory.publicKey(slot);
    }

    boolean isPublicKeySlot(int slot) {
        return memory.policy(slot).isPublicKey() && ChipMemory.slotSize(slot) >= 72;
    }

    /// Whether the mark of a validated public key is set.
    boolean isPublicKeyValid(int slot) {
        return isPublicKeySlot(slot) && (memory.readSlot(slot, 0, 1)[0] & 0xF0) == 0x50;
    }

    void markPublicKey(int slot, boolean valid) {
        int first = memory.readSlot(slot, 0, 1)[0] & 0x0F;
        memory.writeSlot(slot, 0, new byte[] {(byte) (first | (valid ? 0x50 : 0xA0))});
    }

    /// The first bytes of a slot as a symmetric key; private keys are none.
    byte[] symmetricKey(int slot, int length) {
        return symmetricKey(slot, 0, length);
    }

    byte[] symmetricKey(int slot, int from, int length) {
        refuseUnless(!memory.policy(slot).isPrivateKey() && from + length <= ChipMemory.slotSize(slot));
        return memory.readSlot(slot, from, length);
    }

    /// Stores a result of ECDH or KDF: only where anybody may write.
    void storeSecret(int slot, byte[] secret) {
        SlotPolicy policy = memory.policy(slot);
        refuseUnless(policy.writeConfig() == 0 && !policy.isPrivateKey() && !memory.isSlotLocked(slot));
        refuseUnless(secret.length <= ChipMemory.slotSize(slot));
        requireAuthorization(slot);
        memory.writeSlot(slot, 0, secret);
        if (policy.isPublicKey() && policy.pubInfo()) {
            markPublicKey(slot, false);
        }
    }

    /// The key that protects what passes over the bus.
    byte[] ioProtectionKey() {
        int options = memory.configWord(ChipMemory.CHIP_OPTIONS);
        refuseUnless((options & 2) != 0);
        return symmetricKey(options >> 12 & 0xF, 32);
    }

    /// How results of ECDH (`at` 8) and KDF (`at` 10) may leave: 0 as the command says, 1 encrypted, 2 and 3 not at
    /// all.
    int outputProtection(int at) {
        return memory.configWord(ChipMemory.CHIP_OPTIONS) >> at & 3;
    }

    /// Lets a result out, hidden by the I/O protection key where the command or the chip's options say so.
    byte[] output(byte[] secret, boolean encrypted, int protection) {
        refuseUnless(protection < 2);
        if (!encrypted && protection == 0) {
            return secret;
        }
        byte[] nonce = random(32);
        return Crypto.join(Crypto.xor(secret, Messages.outputMask(ioProtectionKey(), nonce, secret.length)), nonce);
    }
}
