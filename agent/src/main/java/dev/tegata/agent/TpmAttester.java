// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.tpm.Tpm;
import dev.tegata.attestation.csr.AttestationBundle.Statement;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmHash;
import dev.tegata.pki.Bytes;
import dev.tegata.protocol.CheckIn;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// Evidence by a TPM: a quote of what was measured at boot, and the boot's event log where it fits.
///
/// @param attestationKey the persistent handle of a key that signs what the TPM says, and nothing else
/// @param chain DER certificates of that key; empty where the server knows it by credential activation
/// @param endorsement by which the server comes to know the attestation key, where it is to by itself
/// @param eventLog the file that the kernel keeps the log in
public record TpmAttester(
        Tpm tpm, long attestationKey, List<Bytes> chain, Optional<Endorsement> endorsement, Optional<Path> eventLog)
        implements Attester {
    /// The key that the TPM's maker has certified.
    ///
    /// @param handle a persistent one
    /// @param chain DER certificates of the key, its own first
    public record Endorsement(long handle, List<Bytes> chain) {
        /// Where the TCG's profile for PCs puts the certificate of the RSA key.
        private static final long RSA_CERTIFICATE = 0x01C0_0002L;

        public Endorsement {
            chain = List.copyOf(chain);
        }

        /// With the certificate that the TPM stores, and those above it.
        public static Endorsement stored(Tpm tpm, long handle, List<Bytes> issuers) throws IOException {
            List<Bytes> chain = new ArrayList<>(List.of(tpm.readNv(RSA_CERTIFICATE)));
            chain.addAll(issuers);
            return new Endorsement(handle, chain);
        }
    }

    /// What firmware and boot loader measure into.
    private static final List<Integer> PCRS =
            IntStream.rangeClosed(0, 9).boxed().toList();

    /// The log takes what the rest of the evidence leaves.
    private static final int LARGEST_LOG = CheckIn.Evidence.MAX_VALUE - 8 * 1024;

    /// In a request for a certificate, which travels in base64.
    private static final int LARGEST_LOG_IN_REQUEST = 40 * 1024;

    public TpmAttester {
        chain = List.copyOf(chain);
    }

    @Override
    public CheckIn.Evidence attest(Bytes nonce, Optional<String> keyName) throws IOException {
        return quote(nonce, LARGEST_LOG);
    }

    @Override
    public void introduce(Introduction server) throws IOException {
        if (endorsement.isPresent()) {
            Endorsement known = endorsement.get();
            server.run(
                    tpm.readPublic(attestationKey),
                    known.chain(),
                    (idObject, encryptedSecret) ->
                            tpm.activateCredential(attestationKey, known.handle(), idObject, encryptedSecret));
        }
    }

    /// Beside the quote, the same attestation key certifies the requested one.
    @Override
    public List<Statement> vouch(Bytes nonce, DeviceKeys.Made made) throws IOException {
        return List.of(
                Attester.message(quote(nonce, LARGEST_LOG_IN_REQUEST)),
                Statement.of(TpmKeys.certify(tpm, made.name(), attestationKey, nonce)));
    }

    private CheckIn.Evidence quote(Bytes nonce, int largestLog) throws IOException {
        Tpm.Signed quote = tpm.quote(attestationKey, nonce, PCRS);
        TpmEvidence evidence = new TpmEvidence(
                tpm.readPublic(attestationKey),
                quote.statement(),
                quote.signature(),
                new PcrValues(Map.of(TpmHash.SHA256, tpm.readPcrs(PCRS))),
                log(largestLog).orElse(null),
                chain);
        return new CheckIn.Evidence(TpmEvidence.MEDIA_TYPE, evidence.encode(), nonce);
    }

    private Optional<Bytes> log(int largest) throws IOException {
        if (eventLog.isEmpty()) {
            return Optional.empty();
        }
        // A file of the kernel's tells its size only by its end.
        try (var in = Files.newInputStream(eventLog.get())) {
            byte[] content = in.readNBytes(largest + 1);
            return content.length > largest ? Optional.empty() : Optional.of(Bytes.of(content));
        }
    }
}
