// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/// Writes the worked examples of the protocol's description, or finds that they are as the code has them.
@DisplayName("The worked examples in docs/reference/device-protocol.md")
final class DocumentedExamplesTest {
    private static final Path PAGE = Path.of("..", "docs", "reference", "device-protocol.md");
    private static final String BEGIN = "<!-- examples: made by DocumentedExamplesTest, do not edit -->\n";
    private static final int LINE = 72;

    private final Examples examples = new Examples();
    private final StringBuilder text = new StringBuilder();

    /// Run with `-Dtests.args=-Dtegata.write-docs` to bring the page up to date.
    @Test
    void areWhatTheCodeMakes() throws Exception {
        write();
        String page = Files.readString(PAGE);
        String expected = page.substring(0, page.indexOf(BEGIN) + BEGIN.length()) + text;
        if (System.getProperty("tegata.write-docs") != null) {
            Files.writeString(PAGE, expected);
        }

        assertThat(PAGE).hasContent(expected);
    }

    private void write() {
        bytes("Trust anchor of the device (certificate, DER)", examples.root.encoded());
        bytes("Certificate of the order signer (DER)", examples.signer.encoded());
        bytes("Certificate of the device (DER)", examples.device.encoded());
        bytes("Private key of the device (the P-256 scalar), to try signatures with", secret(examples.deviceKey));
        json("Check-in in JSON", CheckInCodec.encode(examples.checkIn, CheckInForm.JSON));
        bytes("The same check-in in CBOR", CheckInCodec.encode(examples.checkIn, CheckInForm.CBOR));
        json("Answer in JSON", CheckInCodec.encode(examples.answer(), CheckInForm.JSON));
        bytes("The same answer in CBOR", CheckInCodec.encode(examples.answer(), CheckInForm.CBOR));
        for (OrderContent content : ProtocolTest.contents()) {
            bytes(
                    "Payload of an order: " + content.kind()
                            + (content instanceof OrderContent.Release release
                                            && release.to().isPresent()
                                    ? ", to a new home"
                                    : ""),
                    Examples.plain(content).encode());
        }
        Bytes order = examples.answer().orders().getFirst();
        bytes("A signed order: the one in the answer, STORE", order);
        Bytes asked = examples.relayed();
        bytes("Nonce from the server", examples.nonce);
        bytes("Signed check-in", asked);
        bytes("SHA-256 of it", asked.sha256());
        bytes(
                "Signed answer to it",
                RelayedCheckIn.signAnswer(
                        asked.sha256(),
                        examples.answer(),
                        examples.signerKey.signer(),
                        Examples.encoded(examples.signer)));
        bytes("Signed refusal of it: 403, certificate-revoked", examples.refused(asked));
        Bytes wanted = examples.relayedEnrolment();
        bytes("Certificate around the birth key (self-signed, DER)", examples.birth.encoded());
        bytes("Private key of birth (the P-256 scalar)", secret(examples.birthKey));
        bytes("Request for a certificate (PKCS#10)", examples.request());
        bytes("Signed enrolment, with the nonce above: signed with the birth key", wanted);
        bytes("SHA-256 of that enrolment", wanted.sha256());
        bytes(
                "Signed answer to the enrolment",
                RelayedEnrolment.signAnswer(
                        wanted.sha256(),
                        examples.enrolled(),
                        examples.signerKey.signer(),
                        Examples.encoded(examples.signer)));
        bytes(
                "Request that holds evidence: a CMW of the type application/eat+cwt (PKCS#10)",
                examples.requestWithEvidence());
        bytes("Signed enrolment that holds it, with the nonce above", examples.relayedEnrolmentWithEvidence());
        bytes("Introducing a TPM: the attestation key and who vouches for the TPM", examples.wish());
        bytes("The server's challenge, with bytes in place of what a TPM would open", Examples.CHALLENGE.encode());
        bytes(
                "The answer to it",
                new KeyActivation.Solved(examples.checkIn.fleet(), Examples.CHALLENGE.id(), examples.nonce).encode());
        bytes(
                "Receipt for a REFURBISH order, signed with the birth key",
                new Receipt(Examples.DEVICE, Examples.CHIP, Examples.ORDER, List.of("operational-key", "objects"))
                        .sign(examples.birthKey.signer(), Examples.encoded(examples.birth)));
    }

    private static Bytes secret(Examples.Key key) {
        return Bytes.ofHex("%064x".formatted(key.secret()));
    }

    private void json(String title, Bytes value) {
        text.append("\n### ").append(title).append("\n\n```json\n");
        text.append(new String(value.toArray(), StandardCharsets.UTF_8)).append("\n```\n");
    }

    private void bytes(String title, Bytes value) {
        text.append("\n### ").append(title).append("\n\n").append(value.size()).append(" bytes.\n\n```\n");
        String hex = value.hex();
        for (int at = 0; at < hex.length(); at += LINE) {
            text.append(hex, at, Math.min(hex.length(), at + LINE)).append('\n');
        }
        text.append("```\n");
    }
}
