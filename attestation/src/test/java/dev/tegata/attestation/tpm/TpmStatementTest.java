// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.tpm;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.Mutations;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.pki.Bytes;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("The attestation object of device-attest-01")
class TpmStatementTest {
    private static final Bytes SIGNATURE = Bytes.ofHex("30440220" + "11".repeat(32) + "0220" + "22".repeat(32));

    private static Bytes object(String format, Bytes signature, long algorithm) {
        Cbor statement = Cbor.map()
                .put("ver", Cbor.of("2.0"))
                .put("alg", Cbor.of(algorithm))
                .put("sig", Cbor.of(signature))
                .put("certInfo", Cbor.of(Bytes.ofHex("ff544347")))
                .put("pubArea", Cbor.of(Bytes.ofHex("0001000b")))
                .build();
        return Cbor.map()
                .put("fmt", Cbor.of(format))
                .put("attStmt", statement)
                .build()
                .encode();
    }

    @Test
    @DisplayName("needs no authData (draft-ietf-acme-device-attest-10 §5), and is of the format tpm")
    void formats() throws MalformedException {
        TpmStatement.parse(object("tpm", SIGNATURE, -7));
        assertThatThrownBy(() -> TpmStatement.parse(object("packed", SIGNATURE, -7)))
                .isInstanceOf(MalformedException.class)
                .hasMessageContaining("not tpm");
        assertThatThrownBy(() -> TpmStatement.parse(Bytes.EMPTY)).isInstanceOf(MalformedException.class);
        Bytes more = object("tpm", SIGNATURE, -7).concat(Bytes.ofHex("00"));
        assertThatThrownBy(() -> TpmStatement.parse(more)).isInstanceOf(MalformedException.class);
    }

    @Test
    @DisplayName("is told as malformed, whatever is done to its bytes")
    void fuzz() {
        List<Bytes> seeds = List.of(
                object("tpm", SIGNATURE, -7),
                object("tpm", Bytes.of(new byte[256]), -257),
                object("tpm", Bytes.ofHex("0018000b"), 0));
        Mutations.feed(seeds, 20_000, TpmStatement::parse);
    }
}
