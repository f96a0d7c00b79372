// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.pki.certificate;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.fail;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.der.CanonicalDer;
import dev.tegata.pki.der.EncodingException;
import dev.tegata.pki.der.Pem;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Mutations of good inputs: a reader either accepts or throws the exception it documents, nothing else.
class FuzzTest {
    private static final int ROUNDS = 10_000;
    private static final TestAuthority ROOT = TestAuthority.root();
    private static final TestAuthority ISSUING = ROOT.issuing();
    private static final byte[] CERTIFICATE = ISSUING.issue(
                    TestKeys.p256(), CertificateProfile.tlsServer(List.of("dns:a.example", "ip:::1", "uri:urn:x:y")))
            .encoded()
            .toArray();
    private static final byte[] REQUEST = TestKeys.p256()
            .request(
                    "CN=device,O=Example",
                    RequestAttribute.challengePassword("x"),
                    RequestAttribute.extensionRequest(
                            List.of(new Extension(Extension.KEY_USAGE, true, Bytes.ofHex("03020780")))))
            .encoded()
            .toArray();

    private interface Reader {
        void read(byte[] input) throws Exception;
    }

    private static void fuzz(byte[] good, Class<? extends Exception> documented, Reader reader) {
        assertThatCode(() -> reader.read(good)).doesNotThrowAnyException();
        Random random = new Random(20260304);
        for (int round = 0; round < ROUNDS; round++) {
            byte[] input = mutate(good, random);
            try {
                reader.read(input);
            } catch (Exception e) {
                if (!documented.isInstance(e)) {
                    fail("round %d: %s".formatted(round, Bytes.of(input)), e);
                }
            }
        }
    }

    private static byte[] mutate(byte[] good, Random random) {
        byte[] input = good.clone();
        int changes = 1 + random.nextInt(4);
        for (int i = 0; i < changes && input.length > 0; i++) {
            int at = random.nextInt(input.length);
            switch (random.nextInt(6)) {
                case 0 -> input[at] = (byte) random.nextInt(256);
                case 1 -> input[at] ^= (byte) (1 << random.nextInt(8));
                case 2 -> input[at] = INTERESTING[random.nextInt(INTERESTING.length)];
                case 3 -> input = Arrays.copyOf(input, at);
                case 4 -> {
                    int length = Math.min(random.nextInt(16), input.length - at);
                    System.arraycopy(input, at, input, random.nextInt(input.length - length + 1), length);
                }
                default -> {
                    byte[] longer = new byte[input.length + 1];
                    System.arraycopy(input, 0, longer, 0, at);
                    System.arraycopy(input, at, longer, at + 1, input.length - at);
                    input = longer;
                }
            }
        }
        return input;
    }

    private static final byte[] INTERESTING = {
        0, 1, 0x7f, (byte) 0x80, (byte) 0x81, (byte) 0x84, (byte) 0xff, 0x30, 0x1f
    };

    @Test
    void certificates() {
        fuzz(CERTIFICATE, InvalidCertificateException.class, input -> {
            Certificate certificate = Certificate.parse(Bytes.of(input));
            // Whatever was accepted can be shown and asked.
            String _ = certificate + certificate.subject().toString() + certificate.alternativeNames();
            boolean _ = certificate.isSignedBy(ISSUING.keys().publicKey());
        });
    }

    @Test
    void requests() {
        fuzz(REQUEST, InvalidRequestException.class, input -> {
            CertificateRequest request = CertificateRequest.parse(Bytes.of(input));
            String _ = request.toString() + request.challengePassword() + request.requestedExtensions();
            if (!Arrays.equals(input, REQUEST)) {
                request.prove();
                fail("a changed request was proven");
            }
        });
    }

    @Test
    void certsOnlyMessages() {
        byte[] good = CertsOnlyCms.encode(List.of(ROOT.certificate(), ISSUING.certificate()))
                .toArray();
        fuzz(good, InvalidCertificateException.class, input -> CertsOnlyCms.decode(Bytes.of(input)));
    }

    @Test
    void csrAttributes() {
        byte[] good = CsrAttributes.of(CertificateProfile.device()).encode().toArray();
        fuzz(good, EncodingException.class, input -> CsrAttributes.decode(Bytes.of(input)));
    }

    @Test
    void canonicalDer() {
        fuzz(CERTIFICATE, EncodingException.class, CanonicalDer::require);
    }

    @Test
    void pem() {
        byte[] good =
                (ROOT.certificate().pem() + "text\n" + ISSUING.certificate().pem()).getBytes(StandardCharsets.US_ASCII);
        fuzz(good, EncodingException.class, input -> Pem.blocks(new String(input, StandardCharsets.ISO_8859_1)));
    }

    @Test
    void namesAndTemplates() {
        byte[] good = "CN=a\\,b {device.id},O=M\\C3\\BCller".getBytes(StandardCharsets.US_ASCII);
        fuzz(
                good,
                IllegalArgumentException.class,
                input -> NameTemplate.parse(new String(input, StandardCharsets.UTF_8)));
    }
}
