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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// Evidence by a TPM: a quote of what was measured at boot, and the boot's event log where it fits.
///
/// @param attestationKey the persistent handle of a key that signs what the TPM says, and nothing else
/// @param chain DER certificates of that key; empty where the server knows it by credential activation
/// @param eventLog the file that the kernel keeps the log in
public record TpmAttester(Tpm tpm, long attestationKey, List<Bytes> chain, Optional<Path> eventLog)
        implements Attester {
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
