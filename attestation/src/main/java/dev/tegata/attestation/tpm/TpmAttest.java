// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import java.util.ArrayList;
import java.util.List;

/// What a TPM states and signs (TPMS_ATTEST). `extraData` is the verifier's nonce.
///
/// `resetCount` and `restartCount` tell boots apart.
public record TpmAttest(
        Bytes qualifiedSigner,
        Bytes extraData,
        long clock,
        long resetCount,
        long restartCount,
        boolean safe,
        long firmwareVersion,
        Statement statement) {
    private static final long MAGIC = 0xff544347L;
    private static final int QUOTE = 0x8018;
    private static final int CERTIFY = 0x8017;
    private static final int CREATION = 0x801a;

    /// What is stated.
    public sealed interface Statement {}

    /// The state of some PCRs.
    public record Quote(List<Selection> selections, Bytes pcrDigest) implements Statement {}

    /// A key is in the TPM.
    public record Certify(Bytes name, Bytes qualifiedName) implements Statement {}

    /// A key was made by the TPM.
    public record Creation(Bytes objectName, Bytes creationHash) implements Statement {}

    /// PCRs of one bank, in ascending order.
    public record Selection(TpmHash bank, List<Integer> pcrs) {}

    public static TpmAttest parse(Bytes encoded) throws MalformedException {
        TpmReader reader = TpmReader.of(encoded);
        if (reader.u32() != MAGIC) {
            throw new MalformedException("the statement was not made by a TPM: its magic number is wrong");
        }
        int type = reader.u16();
        Bytes qualifiedSigner = reader.sized();
        Bytes extraData = reader.sized();
        long clock = reader.u64();
        long resetCount = reader.u32();
        long restartCount = reader.u32();
        boolean safe = reader.u8() == 1;
        long firmwareVersion = reader.u64();
        Statement statement = switch (type) {
            case QUOTE -> new Quote(selections(reader), reader.sized());
            case CERTIFY -> new Certify(reader.sized(), reader.sized());
            case CREATION -> new Creation(reader.sized(), reader.sized());
            default ->
                throw new MalformedException("the TPM's statement is of type " + Integer.toHexString(type)
                        + ", not a quote or a certification");
        };
        reader.end();
        return new TpmAttest(
                qualifiedSigner, extraData, clock, resetCount, restartCount, safe, firmwareVersion, statement);
    }

    private static List<Selection> selections(TpmReader reader) throws MalformedException {
        long count = reader.u32();
        if (count > 16) {
            throw new MalformedException("a quote has more than 16 PCR banks");
        }
        List<Selection> selections = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            TpmHash bank = TpmHash.of(reader.u16());
            byte[] bitmap = reader.raw(reader.u8());
            List<Integer> pcrs = new ArrayList<>();
            for (int pcr = 0; pcr < bitmap.length * 8; pcr++) {
                if ((bitmap[pcr / 8] >> pcr % 8 & 1) == 1) {
                    pcrs.add(pcr);
                }
            }
            selections.add(new Selection(bank, pcrs));
        }
        return selections;
    }
}
