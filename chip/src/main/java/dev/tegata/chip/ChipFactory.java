// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.chip;

import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.stream.IntStream;

/// A virtual chip vendor: makes chips, certifies their identity keys, and signs the manifest that a buyer gets.
///
/// Each factory has keys of its own, so whoever is to trust its chips pins [#rootCertificate()] or, for manifests, the
/// certificate of [#manifestSigner()].
public final class ChipFactory {
    private static final Instant ESTABLISHED = Instant.parse("2020-01-01T00:00:00Z");
    private static final int SIGNER_ID = 0x7E6A;
    private static final int SIGNER_YEARS = 31;
    private static final int DEVICE_YEARS = 28;

    private final SecureRandom random;
    private final byte[] rootCertificate;
    private final byte[] rootKeyId;
    private final byte[] signerKey;
    private final byte[] signerPublicKey;
    private final byte[] signer;
    private final ManifestSigner manifestSigner;

    /// A factory with new keys. All that is random in it and in its chips comes from `random`.
    public ChipFactory(SecureRandom random) {
        this.random = random;
        byte[] rootKey = P256.newPrivateKey(random);
        byte[] rootPublicKey = P256.publicKey(rootKey);
        VendorCertificates.Unsigned root =
                VendorCertificates.root(rootPublicKey, ESTABLISHED, CompressedCertificate.NEVER);
        rootCertificate = root.with(P256.sign(rootKey, root.digest(), random));
        rootKeyId = VendorCertificates.keyId(rootPublicKey);
        signerKey = P256.newPrivateKey(random);
        signerPublicKey = P256.publicKey(signerKey);
        int dates = CompressedCertificate.dates(ESTABLISHED, SIGNER_YEARS);
        byte[] signature = P256.sign(
                rootKey,
                VendorCertificates.signer(signerPublicKey, dates, SIGNER_ID, rootKeyId)
                        .digest(),
                random);
        signer = new CompressedCertificate(signature, dates, SIGNER_ID, VendorCertificates.SIGNER_TEMPLATE).encode();
        manifestSigner = ManifestSigner.create(random, ESTABLISHED, CompressedCertificate.NEVER);
    }

    /// The self-signed certificate above all chips of this factory, as DER.
    public byte[] rootCertificate() {
        return rootCertificate.clone();
    }

    /// Who signs this factory's manifests: a certificate without end that no CA has signed, as the real ones.
    public ManifestSigner manifestSigner() {
        return manifestSigner;
    }

    /// Makes one chip.
    ///
    /// @param provisionedAt when the chip was provisioned, from 2020 to 2031: its certificate begins in that hour
    public VirtualChip make(Preset preset, Instant provisionedAt) {
        VirtualChip chip = VirtualChip.create(preset, random);
        if (preset == Preset.TRUST_GO) {
            certify(chip, provisionedAt);
        }
        return chip;
    }

    /// Makes a batch of chips.
    public List<VirtualChip> make(Preset preset, int count, Instant provisionedAt) {
        return IntStream.range(0, count)
                .mapToObj(i -> make(preset, provisionedAt))
                .toList();
    }

    private void certify(VirtualChip chip, Instant provisionedAt) {
        int dates = CompressedCertificate.dates(provisionedAt, DEVICE_YEARS);
        byte[] digest = VendorCertificates.device(chip.serial(), chip.publicKey(0), dates, SIGNER_ID, signerPublicKey)
                .digest();
        byte[] device = new CompressedCertificate(
                        P256.sign(signerKey, digest, random), dates, SIGNER_ID, VendorCertificates.DEVICE_TEMPLATE)
                .encode();
        chip.storeCertificates(new VendorCertificates.Stored(device, signerPublicKey, signer, rootKeyId));
    }
}
