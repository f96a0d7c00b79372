// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.appraisal.Appraiser;
import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.appraisal.EvidenceVerifier;
import dev.tegata.attestation.appraisal.Trust;
import dev.tegata.attestation.appraisal.Verdict;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.cmw.Cmw;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.SignedCorim;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseAlgorithm;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.csr.AttestationBundle;
import dev.tegata.attestation.dice.DiceChain;
import dev.tegata.attestation.dice.OpenDice;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.eat.EatToken;
import dev.tegata.attestation.eat.MeasuredComponent;
import dev.tegata.attestation.json.Json;
import dev.tegata.attestation.policy.Policy;
import dev.tegata.attestation.psa.PsaToken;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.TrustClaim;
import dev.tegata.attestation.tpm.CredentialActivation;
import dev.tegata.attestation.tpm.EndorsementCertificate;
import dev.tegata.attestation.tpm.EventLog;
import dev.tegata.attestation.tpm.KeyCertification;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmAttest;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmHash;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.attestation.tpm.TpmSignature;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.DerReader;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.pki.path.PathCheck;
import dev.tegata.pki.path.PathResult;
import dev.tegata.pki.path.Presented;
import dev.tegata.pki.path.Purpose;
import dev.tegata.pki.path.TrustAnchors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/// Every third-party vector gives what the source's notes say: a row per file with what was expected and
/// what came out.
@DisplayName("Vectors")
class VectorsTest {
    /// What a vector must give: a parser or verifier that answers with a short text.
    private interface Check {
        String run() throws Exception;
    }

    private record Row(String file, String expected, Check check) {}

    private static final Map<String, String> TABLE = new TreeMap<>();

    private final Map<String, Row> rows = new TreeMap<>();

    @TestFactory
    Stream<DynamicTest> table() {
        coseRows();
        eatRows();
        cmwRows();
        psaRows();
        corimRows();
        tpmRows();
        earRows();
        diceRows();
        requestRows();
        companionRows();
        otherRows();
        Stream<DynamicTest> all = rows.values().stream()
                .map(row -> DynamicTest.dynamicTest(row.file() + ": " + row.expected(), () -> {
                    String got = got(row.check());
                    TABLE.put(row.file(), row.expected() + " | " + got);
                    assertThat(got).as(row.file()).isEqualTo(row.expected());
                }));
        return Stream.concat(all, Stream.of(DynamicTest.dynamicTest("no file is left out", this::complete)));
    }

    /// Each file of the folder is in the table: with a row of its own, or as what the row of another reads.
    private void complete() {
        Set<String> read = Vectors.read();
        List<String> left = new ArrayList<>();
        for (String file : Vectors.files("", "")) {
            if (read.contains(file)) {
                TABLE.putIfAbsent(file, "read for the rows of others | read");
            } else if (!rows.containsKey(file)) {
                left.add(file);
            }
        }
        assertThat(left).as("files that no row reads").isEmpty();
    }

    @AfterAll
    static void writeTable() throws IOException {
        List<String> lines = new ArrayList<>(List.of("| file | expected | got |", "|---|---|---|"));
        TABLE.forEach((file, row) -> lines.add("| " + file + " | " + row + " |"));
        Path report = Path.of("target", "surefire-reports", "rats-vectors.md");
        Files.createDirectories(report.getParent());
        Files.write(report, lines);
    }

    private static String got(Check check) throws Exception {
        try {
            return check.run();
        } catch (MalformedException e) {
            return "refused";
        }
    }

    private void row(String file, String expected, Check check) {
        rows.put(file, new Row(file, expected, check));
    }

    private void coseRows() {
        for (String folder : List.of("cose/sign1-tests", "cose/mac0-tests", "cose/ecdsa-examples", "cose/CWT")) {
            for (String file : Vectors.files(folder, ".json")) {
                JsonNode vector = Vectors.json(file);
                if (file.contains("ecdsa-0")) {
                    row(file, "signature verifies; COSE_Sign is refused", () -> coseSign(vector));
                } else if (file.endsWith("A_5.json") || file.endsWith("A_6.json")) {
                    row(file, "refused", () -> cose(vector));
                } else if (file.endsWith("A_7.json")) {
                    row(file, "verifies, float date refused", () -> {
                        String outcome = cose(vector);
                        try {
                            Eat.parse(Bytes.ofHex(
                                    vector.at("/input/plaintext_hex").asString()));
                            return outcome;
                        } catch (MalformedException e) {
                            return outcome + ", float date refused";
                        }
                    });
                } else {
                    boolean fails = vector.path("fail").asBoolean(false);
                    row(file, fails ? "refused" : "verifies", () -> cose(vector));
                }
            }
        }
    }

    private static String cose(JsonNode vector) throws MalformedException {
        Bytes encoded = Bytes.ofHex(vector.at("/output/cbor").asString());
        JsonNode input = vector.get("input");
        boolean mac = input.has("mac0");
        Cbor item = Cbor.read(encoded, CborLimits.TOKEN);
        CoseMessage message = item instanceof Cbor.ArrayItem
                ? CoseMessage.of(mac ? CoseMessage.Kind.MAC0 : CoseMessage.Kind.SIGN1, item)
                : CoseMessage.of(item);
        JsonNode part = input.get(mac ? "mac0" : "sign0");
        CoseKey key = mac ? secret(part.at("/recipients/0/key")) : publicKey(part.get("key"));
        Bytes external = part.has("external") ? Bytes.ofHex(part.get("external").asString()) : Bytes.EMPTY;
        // One vector has its algorithm in the unprotected header, which our evidence formats do not allow.
        CoseAlgorithm algorithm = message.protectedMap().get(CoseMessage.ALGORITHM) == null
                ? algorithm(message.unprotected().require(CoseMessage.ALGORITHM, "alg"))
                : message.algorithm();
        return message.verifies(key, algorithm, external, message.content()) ? "verifies" : "refused";
    }

    private static CoseAlgorithm algorithm(Cbor value) {
        return Stream.of(CoseAlgorithm.values())
                .filter(algorithm -> value.equals(Cbor.of(algorithm.id())))
                .findFirst()
                .orElseThrow();
    }

    /// COSE_Sign has several signers; we take messages with one only. The signature itself must verify.
    private static String coseSign(JsonNode vector) throws MalformedException {
        Cbor item = Cbor.read(Bytes.ofHex(vector.at("/output/cbor").asString()), CborLimits.TOKEN);
        List<Cbor> signer = item.tagged("COSE_Sign", 98)
                .array("COSE_Sign", 4, 4)
                .get(3)
                .array("signers", 1, 1)
                .getFirst()
                .array("a signer", 3, 3);
        Bytes toBeSigned =
                Bytes.ofHex(vector.at("/intermediates/signers/0/ToBeSign_hex").asString());
        CoseKey key = publicKey(vector.at("/input/sign/signers/0/key"));
        Cbor algorithm = Cbor.read(signer.get(0).bytes("header"), CborLimits.TOKEN)
                .mapping("header")
                .require(1, "alg");
        boolean verifies = key.verifies(
                algorithm(algorithm),
                toBeSigned.toArray(),
                signer.get(2).bytes("signature").toArray());
        try {
            CoseMessage.of(item);
            return "accepted";
        } catch (MalformedException e) {
            return verifies ? "signature verifies; COSE_Sign is refused" : "signature fails";
        }
    }

    private static CoseKey.Secret secret(JsonNode key) {
        Bytes value = key.has("k_hex")
                ? Bytes.ofHex(key.get("k_hex").asString())
                : Bytes.ofBase64Url(key.get("k").asString());
        return CoseKey.ofSecret(value.toArray());
    }

    private static CoseKey publicKey(JsonNode key) throws MalformedException {
        int curve = switch (key.get("crv").asString()) {
            case "P-256" -> 1;
            case "P-384" -> 2;
            default -> 3;
        };
        return CoseKey.parse(Cbor.map()
                .put(1, Cbor.of(2))
                .put(-1, Cbor.of(curve))
                .put(-2, Cbor.of(coordinate(key, "x", curve)))
                .put(-3, Cbor.of(coordinate(key, "y", curve)))
                .build());
    }

    private static Bytes coordinate(JsonNode key, String name, int curve) {
        Bytes value = key.has(name + "_hex")
                ? Bytes.ofHex(key.get(name + "_hex").asString())
                : Bytes.ofBase64Url(key.get(name).asString());
        int size = List.of(0, 32, 48, 66).get(curve);
        return Bytes.of(new byte[size - value.size()]).concat(value);
    }

    private void eatRows() {
        for (String file : Vectors.files("eat/payloads", ".diag")) {
            if (file.contains("coswid")) {
                row(file, "CoSWID", () -> {
                    Vectors.diagnostic(file).tagged("CoSWID", 1398229316).mapping("CoSWID");
                    return "CoSWID";
                });
            } else {
                row(file, "claims survive a round trip", () -> {
                    Cbor claims = Vectors.diagnostic(file);
                    Eat eat = Eat.parse(claims.encode());
                    Eat json = Eat.ofJson(eat.toJson());
                    // Private claims have no JSON name, and a nested JWT may be wrapped with other blanks.
                    boolean lossy = file.endsWith("valid_key_store.diag") || file.endsWith("/submods.diag");
                    boolean same = eat.claims().equals(claims) && (json.equals(eat) || lossy);
                    return same ? "claims survive a round trip" : "other claims";
                });
            }
        }
        for (String file : Vectors.files("eat/payloads", ".json")) {
            row(file, "claims survive a round trip", () -> {
                Eat eat = Eat.parseJson(Vectors.bytes(file));
                boolean same = Eat.ofJson(eat.toJson()).equals(eat)
                        && Eat.parse(eat.claims().encode()).equals(eat);
                return same ? "claims survive a round trip" : "other claims";
            });
        }
        row("eat/tokens/valid_cwt.diag", "a signed CWT with oemid 64242", () -> {
            EatToken token = EatToken.parse(
                    Vectors.diagnostic("eat/tokens/valid_cwt.diag").encode());
            return token instanceof EatToken.Cwt cwt && cwt.message().kind() == CoseMessage.Kind.SIGN1
                    ? "a signed CWT with oemid " + cwt.claims().number(Eat.OEM_ID)
                    : "no CWT";
        });
        row("eat/tokens/valid_deb.diag", "the detached claims have their digest", () -> {
            EatToken token = EatToken.parse(
                    Vectors.diagnostic("eat/tokens/valid_deb.diag").encode());
            EatToken.Bundle bundle = (EatToken.Bundle) token;
            bundle.claims(((EatToken.Cwt) bundle.token()).claims(), "TEE");
            return "the detached claims have their digest";
        });
        row("eat/tokens/deb.json", "the detached claims have their digest", () -> {
            EatToken.Bundle bundle = (EatToken.Bundle) EatToken.parse(Vectors.bytes("eat/tokens/deb.json"));
            Eat main = ((EatToken.Jwt) bundle.token()).claims();
            bundle.claims(main, "Audio Subsystem");
            bundle.claims(main, "Graphics Subsystem");
            return "the detached claims have their digest";
        });
        for (String file : Vectors.files("eat/measured-component", "")) {
            row(file, "a component", () -> {
                MeasuredComponent component = file.endsWith(".json")
                        ? MeasuredComponent.ofJson((ObjectNode) Vectors.json(file))
                        : MeasuredComponent.of(Vectors.diagnostic(file));
                return MeasuredComponent.of(component.toCbor()).equals(component) ? "a component" : "another";
            });
        }
    }

    private void cmwRows() {
        for (String file : Vectors.files("cmw", ".diag")) {
            row(file, "read, and written as it was", () -> {
                Cbor item = Vectors.diagnostic(file);
                Cmw cmw = Cmw.parse(item.encode());
                boolean same = cmw.toCbor().equals(item)
                        || Cmw.parse(cmw.toCbor().encode()).equals(cmw);
                return same ? "read, and written as it was" : "another";
            });
        }
        for (String file : Vectors.files("cmw", ".json")) {
            row(file, "read, and written as it was", () -> {
                JsonNode node = Vectors.json(file);
                JsonNode inner = node.has("cmw") ? node.get("cmw") : node;
                Cmw cmw = Cmw.parse(Json.write(inner));
                return Json.toCbor(cmw.toJson()).equals(Json.toCbor(inner)) ? "read, and written as it was" : "another";
            });
        }
    }

    private void psaRows() {
        for (String file : Vectors.files("psa/rfc9783/claims-sets", ".diag")) {
            row(file, file.contains("GOOD") ? "claims survive a round trip" : "refused", () -> psaClaims(file));
        }
        for (String file : Vectors.files("psa/psatoken-claims-sets", ".diag")) {
            boolean bad = file.contains("Missing") || file.contains("Invalid");
            row(file, bad ? "refused" : "claims survive a round trip", () -> psaClaims(file));
        }
        for (String file : List.of("mac0-claims", "sign1-claims", "psa-token")) {
            String path = "psa/rfc9783/" + file + ".diag";
            row(path, "claims survive a round trip", () -> psaClaims(path));
        }
        row("psa/rfc9783/psa-sign1.cbor", "verifies, claims as in sign1-claims.diag", () -> {
            CoseMessage message = PsaToken.parseEnvelope(Vectors.bytes("psa/rfc9783/psa-sign1.cbor"));
            boolean same = PsaToken.parse(message.content())
                    .equals(PsaToken.of(
                            Vectors.diagnostic("psa/rfc9783/sign1-claims.diag").mapping("claims")));
            return (message.verifies(pem("psa/rfc9783/tfm-es-iak.pem")) ? "verifies" : "fails")
                    + (same ? ", claims as in sign1-claims.diag" : ", other claims");
        });
        row("psa/rfc9783/psa-mac0.cbor", "verifies, claims as in mac0-claims.diag", () -> {
            CoseMessage message = PsaToken.parseEnvelope(Vectors.bytes("psa/rfc9783/psa-mac0.cbor"));
            CoseKey key =
                    CoseKey.ofSecret(Vectors.bytes("psa/rfc9783/tfm-hs-iak.bin").toArray());
            boolean same = PsaToken.parse(message.content())
                    .equals(PsaToken.of(
                            Vectors.diagnostic("psa/rfc9783/mac0-claims.diag").mapping("claims")));
            return (message.verifies(key) ? "verifies" : "fails")
                    + (same ? ", claims as in mac0-claims.diag" : ", other claims");
        });
        for (String name : List.of("psa-sign1", "psa-mac0")) {
            String path = "psa/rfc9783/" + name + ".diag";
            row(
                    path,
                    "the same message as the .cbor",
                    () -> Vectors.diagnostic(path).encode().equals(Vectors.bytes("psa/rfc9783/" + name + ".cbor"))
                            ? "the same message as the .cbor"
                            : "another message");
        }
        row("psa/tfm-iat-verifier/iat.cbor", "PSA_IOT_PROFILE_1, verifies", () -> {
            CoseMessage message = PsaToken.parseEnvelope(Vectors.bytes("psa/tfm-iat-verifier/iat.cbor"));
            return PsaToken.parse(message.content()).profile().profileName()
                    + (message.verifies(pem("psa/tfm-iat-verifier/key.pem")) ? ", verifies" : ", fails");
        });
        row(
                "psa/veraison-e2e/psa-evidence.cbor",
                "verifies, nonce 414a7c174141b3d0e9a1d28af31520f0d42299feac4007ded89d68ae6cd92f19, SECURED",
                () -> {
                    CoseMessage message = PsaToken.parseEnvelope(Vectors.bytes("psa/veraison-e2e/psa-evidence.cbor"));
                    PsaToken token = PsaToken.parse(message.content());
                    CoseKey key = publicKey(Vectors.json("psa/veraison-e2e/ec-p256.jwk"));
                    return (message.verifies(key) ? "verifies" : "fails") + ", nonce " + token.nonce() + ", "
                            + token.lifecycleState();
                });
    }

    private static String psaClaims(String file) throws MalformedException {
        PsaToken token = PsaToken.of(Vectors.diagnostic(file).mapping("the claims"));
        return PsaToken.of(token.claims()).equals(token) ? "claims survive a round trip" : "other claims";
    }

    private static CoseKey pem(String file) throws Exception {
        String base64 = Vectors.text(file).replaceAll("-----[^-]*-----", "").replaceAll("\\s", "");
        Bytes der = Bytes.ofBase64(base64);
        if (Vectors.text(file).contains("EC PRIVATE")) {
            // RFC 5915: the public point is the last 65 bytes.
            Bytes point = der.slice(der.size() - 64, der.size());
            return CoseKey.of(PublicKeyInfo.ofP256Point(point.slice(0, 32), point.slice(32, 64)));
        }
        return CoseKey.of(PublicKeyInfo.parse(der));
    }

    private void corimRows() {
        for (String file : Vectors.files("corim/comid", ".cbor")) {
            row(file, "as its source says, and encodes to the same", () -> {
                String source = file.replace("comid/comid", "comid/src/comid").replace(".cbor", ".diag");
                Tag.Comid comid = Tag.Comid.parse(Vectors.bytes(file));
                boolean same = comid.equals(Tag.Comid.of(Vectors.diagnostic(source)))
                        && Tag.Comid.of(comid.toCbor()).equals(comid);
                return same ? "as its source says, and encodes to the same" : "other content";
            });
        }
        for (String file : Vectors.files("corim", ".diag")) {
            if (file.contains("/src/") || file.contains("coserv")) {
                continue;
            }
            String name = file.substring(file.lastIndexOf('/') + 1);
            if (name.startsWith("comid")) {
                row(file, "a CoMID", () -> {
                    Tag.Comid comid = Tag.Comid.of(Vectors.diagnostic(file));
                    return Tag.Comid.of(comid.toCbor()).equals(comid) ? "a CoMID" : "changed";
                });
            } else if (name.startsWith("corim") || name.startsWith("payload")) {
                row(file, "a CoRIM", () -> {
                    Corim corim = Corim.of(Vectors.diagnostic(file));
                    return Corim.of(corim.toCbor()).equals(corim) ? "a CoRIM" : "changed";
                });
            } else if (name.startsWith("cotl")) {
                row(
                        file,
                        "a CoTL with 3 tags",
                        () -> "a CoTL with "
                                + Tag.Cotl.of(Vectors.diagnostic(file))
                                        .activated()
                                        .size() + " tags");
            } else if (name.startsWith("protected")) {
                row(
                        file,
                        "a header of ES384",
                        () -> Cbor.of(-35)
                                        .equals(Vectors.diagnostic(file)
                                                .mapping("header")
                                                .get(1))
                                ? "a header of ES384"
                                : "another");
            }
        }
        for (String name : List.of("corim-1", "corim-2")) {
            String file = "corim/corim/" + name + ".cbor";
            row(
                    file,
                    "as its source says",
                    () -> Corim.parse(Vectors.bytes(file))
                                    .equals(Corim.of(Vectors.diagnostic("corim/corim/src/" + name + ".diag")))
                            ? "as its source says"
                            : "other content");
        }
        row(
                "corim/corim/unsigned-good-corim.cbor",
                "test corim id",
                () -> Corim.parse(Vectors.bytes("corim/corim/unsigned-good-corim.cbor"))
                        .name());
        row("corim/corim/signed-good-corim.cbor", "verifies; signed by ACME Ltd signing key until 2025-12-31", () -> {
            SignedCorim signed = SignedCorim.parse(Vectors.bytes("corim/corim/signed-good-corim.cbor"));
            boolean verifies = signed.verifies(publicKey(Vectors.json("corim/corim/src/ec-p256.jwk")));
            return (verifies ? "verifies" : "fails") + "; signed by " + signed.signerName() + " until "
                    + Objects.requireNonNull(signed.validity())
                            .notAfter()
                            .toString()
                            .substring(0, 10);
        });
        row("corim/psa-profile/psa-valid.cbor", "tag:arm.com,2025:psa#1.0.0, 1 reference, 1 key", () -> {
            Corim corim = Corim.parse(Vectors.bytes("corim/psa-profile/psa-valid.cbor"));
            Tag.Comid comid = (Tag.Comid) corim.tags().getFirst();
            return corim.profile() + ", "
                    + comid.triples().stream()
                            .filter(Triple.Reference.class::isInstance)
                            .count() + " reference, "
                    + comid.triples().stream()
                            .filter(Triple.Keys.class::isInstance)
                            .count() + " key";
        });
    }

    private void tpmRows() {
        for (String boot : List.of("fw1", "fw2", "tampered-boot")) {
            String file = "tpm/swtpm/quote-" + boot;
            row(file + ".attest", "verifies; nonce and PCRs as quoted; reset count told", () -> {
                TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
                TpmAttest attest = TpmAttest.parse(Vectors.bytes(file + ".attest"));
                TpmAttest.Quote quote = (TpmAttest.Quote) attest.statement();
                PcrValues pcrs = PcrValues.ofConcatenated(quote.selections(), Vectors.bytes(file + ".pcrs"));
                TpmEvidence evidence = new TpmEvidence(
                        ak.encoded(),
                        Vectors.bytes(file + ".attest"),
                        Vectors.bytes(file + ".tpmt_signature"),
                        pcrs,
                        null,
                        List.of());
                TpmEvidence.parse(evidence.encode()).verify();
                String nonce = Vectors.text(file + ".nonce.hex").strip();
                return "verifies; " + (attest.extraData().hex().equals(nonce) ? "nonce" : "other nonce")
                        + " and PCRs as quoted; reset count " + (attest.resetCount() > 0 ? "told" : "zero");
            });
        }
        row("tpm/swtpm/ak.tpm2b_public", "attestation key, name and key as in the files", () -> {
            TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
            boolean same = ak.name().equals(Vectors.bytes("tpm/swtpm/ak.name"))
                    && CoseKey.of(ak.key()).equals(pem("tpm/swtpm/ak.pub.pem"));
            return (ak.isAttestationKey() ? "attestation key" : "other key")
                    + (same ? ", name and key as in the files" : ", another");
        });
        row("tpm/swtpm/ek.tpm2b_public", "key as in the file, no attestation key", () -> {
            TpmPublic ek = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ek.tpm2b_public"));
            return (CoseKey.of(ek.key()).equals(pem("tpm/swtpm/ek.pub.pem")) ? "key as in the file" : "another key")
                    + (ek.isAttestationKey() ? "" : ", no attestation key");
        });
        row("tpm/swtpm/ldevid.certifycreation.attest", "binds the request's key to its nonce", () -> {
            TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
            TpmAttest attest = TpmAttest.parse(Vectors.bytes("tpm/swtpm/ldevid.certifycreation.attest"));
            TpmPublic key = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ldevid.tpm2b_public"));
            new KeyCertification(
                            Vectors.bytes("tpm/swtpm/ldevid.certifycreation.attest"),
                            Vectors.bytes("tpm/swtpm/ldevid.certifycreation.tpmt_signature"),
                            key.encoded())
                    .verify(ak, attest.extraData(), csrKey("tpm/swtpm/ldevid.csr.pem"));
            return key.name().equals(Vectors.bytes("tpm/swtpm/ldevid.name"))
                            && attest.extraData().size() >= 8
                    ? "binds the request's key to its nonce"
                    : "another name";
        });
        row("tpm/swtpm/ldevid.certify.attest", "refused: its nonce is the tool's 00ff55aa", () -> {
            TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ak.tpm2b_public"));
            TpmAttest attest = TpmAttest.parse(Vectors.bytes("tpm/swtpm/ldevid.certify.attest"));
            TpmPublic key = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ldevid.tpm2b_public"));
            KeyCertification certification = new KeyCertification(
                    Vectors.bytes("tpm/swtpm/ldevid.certify.attest"),
                    Vectors.bytes("tpm/swtpm/ldevid.certify.tpmt_signature"),
                    key.encoded());
            certification.verify(ak, attest.extraData(), csrKey("tpm/swtpm/ldevid.csr.pem"));
            try {
                certification.verify(ak, Bytes.of(new byte[32]), csrKey("tpm/swtpm/ldevid.csr.pem"));
                return "accepted";
            } catch (MalformedException e) {
                return "refused: its nonce is the tool's " + attest.extraData();
            }
        });
        row("tpm/swtpm/credential.blob", "of the form that we make, secret of 32 bytes", () -> {
            PublicKeyInfo ek = TpmPublic.parseSized(Vectors.bytes("tpm/swtpm/ek.tpm2b_public"))
                    .key();
            byte[] secret = Vectors.bytes("tpm/swtpm/credential.secret").toArray();
            Bytes ours = CredentialActivation.challenge(
                            ek, Vectors.bytes("tpm/swtpm/ak.name"), secret, new SecureRandom())
                    .toolsFile();
            Bytes theirs = Vectors.bytes("tpm/swtpm/credential.blob");
            boolean same = ours.size() == theirs.size() && ours.slice(0, 12).equals(theirs.slice(0, 12));
            return (same ? "of the form that we make" : "another form") + ", secret of " + secret.length + " bytes";
        });
        for (String file : List.of("tpm/swtpm/ek-rsa.crt.der", "tpm/swtpm/ek-ecc.crt.der")) {
            row(file, "leads to its root, not to another", () -> {
                EndorsementCertificate ek = EndorsementCertificate.of(Certificate.parse(Vectors.bytes(file)));
                List<Certificate> issuers = Certificate.parsePem(Vectors.text("tpm/swtpm/ca-issuer.pem"));
                Certificate root = Certificate.parsePem(Vectors.text("tpm/swtpm/ca-root.pem"))
                        .getFirst();
                Certificate other = Certificate.parsePem(Vectors.text("tpm/vendor-ca/STM_ECC_01RT.pem"))
                        .getFirst();
                PathCheck paths = new PathCheck(16);
                Instant at = root.validity().notBefore().plusSeconds(86_400);
                return (ek.check(issuers, TrustAnchors.of(root), at, paths).isValid()
                                ? "leads to its root"
                                : ek.check(issuers, TrustAnchors.of(root), at, paths)
                                        .toString())
                        + (ek.check(issuers, TrustAnchors.of(other), at, paths).isValid()
                                ? ", and to another"
                                : ", not to another");
            });
        }
        row(
                "tpm/keylime/quote.out",
                "verifies; extraData db1db298db6d60e6385b7231743e9c3056a18003; [15, 16, 22]",
                () -> {
                    TpmAttest attest = TpmAttest.parse(Vectors.bytes("tpm/keylime/quote.out"));
                    TpmSignature signature = TpmSignature.parse(Vectors.bytes("tpm/keylime/quotesig.out"));
                    TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/keylime/ak.pub"));
                    boolean same = CoseKey.of(ak.key()).equals(pem("tpm/keylime/akpub.pem"));
                    return (signature.verifies(ak.key(), Vectors.bytes("tpm/keylime/quote.out")) && same
                                    ? "verifies"
                                    : "fails")
                            + "; extraData " + attest.extraData() + "; "
                            + ((TpmAttest.Quote) attest.statement())
                                    .selections()
                                    .getFirst()
                                    .pcrs();
                });
        row("tpm/keylime/ak.name", "000b and SHA-256 of the public area", () -> {
            TpmPublic ak = TpmPublic.parseSized(Vectors.bytes("tpm/keylime/ak.pub"));
            return ak.name().equals(Vectors.bytes("tpm/keylime/ak.name"))
                    ? "000b and SHA-256 of the public area"
                    : "another";
        });
        for (String log : List.of("debian-10.bin", "rhel8-uefi.bin", "ubuntu-2104-no-dbx.bin")) {
            row("eventlog/" + log, "replays to the expected PCRs", () -> {
                EventLog parsed = EventLog.parse(Vectors.bytes("eventlog/" + log));
                JsonNode banks = Vectors.json("eventlog/expected-pcrs.json").get(log);
                for (Map.Entry<String, JsonNode> bank : banks.properties()) {
                    Map<Integer, Bytes> replayed =
                            parsed.replay(TpmHash.valueOf(bank.getKey().toUpperCase(Locale.ROOT)));
                    for (Map.Entry<String, JsonNode> pcr : bank.getValue().properties()) {
                        Bytes got = replayed.get(Integer.parseInt(pcr.getKey()));
                        if (got == null || !got.hex().equals(pcr.getValue().asString())) {
                            return bank.getKey() + " PCR " + pcr.getKey() + " is " + got;
                        }
                    }
                }
                return "replays to the expected PCRs";
            });
        }
        for (String file : Vectors.files("tpm/vendor-ca", ".pem")) {
            row(
                    file,
                    "certificates",
                    () -> Certificate.parsePem(Vectors.text(file)).isEmpty() ? "none" : "certificates");
        }
        for (String kind : List.of("rsa_enc", "rsa_sign", "ecc_enc", "ecc_sign")) {
            String file = "tpm/gce-ek-ak/uca_tpm_" + kind + "_cert.pem";
            row(file, "leads to a root of its makers", () -> {
                Certificate leaf = Certificate.parsePem(Vectors.text(file)).getFirst();
                List<Certificate> certificates = new ArrayList<>();
                for (String ca : Vectors.files("tpm/gce-ek-ak/ca", "")) {
                    Bytes content = Vectors.bytes(ca);
                    certificates.addAll(
                            content.at(0) == '-'
                                    ? Certificate.parsePem(Vectors.text(ca))
                                    : List.of(Certificate.parse(content)));
                }
                List<Certificate> roots =
                        certificates.stream().filter(Certificate::isSelfIssued).toList();
                PathResult result = new PathCheck(16)
                        .checkBirth(
                                new Presented(leaf, certificates),
                                TrustAnchors.of(roots),
                                leaf.validity().notBefore().plusSeconds(60),
                                Purpose.ANY);
                return result.isValid() ? "leads to a root of its makers" : result.toString();
            });
        }
    }

    private static PublicKeyInfo csrKey(String file) throws Exception {
        Bytes der = Pem.contents(Vectors.text(file), Pem.CERTIFICATE_REQUEST).getFirst();
        DerReader info = DerReader.of(der).sequence().sequence();
        info.skip();
        info.skip();
        return PublicKeyInfo.parse(info.element());
    }

    private void earRows() {
        for (String file : Vectors.files("ear", ".diag")) {
            row(file, "a result that survives a round trip", () -> {
                Cbor item = Vectors.diagnostic(file);
                boolean json = file.contains("-json-");
                Ear ear = json ? Ear.parseJson(Json.write(Json.of(item))) : Ear.parseCbor(item.encode());
                Ear again = json ? Ear.parseJson(ear.toJson()) : Ear.parseCbor(ear.toCbor());
                return again.equals(ear) ? "a result that survives a round trip" : "another";
            });
        }
        for (String file : Vectors.files("ear/veraison-2023", ".json")) {
            if (!file.contains("key.json")) {
                row(file, file.endsWith("-ko.json") ? "refused" : "a result that survives a round trip", () -> {
                    Ear ear = Ear.parseJson(Vectors.bytes(file));
                    return Ear.parseJson(ear.toJson()).equals(ear) ? "a result that survives a round trip" : "another";
                });
            }
        }
        row(
                "ear/veraison-2023/pkey.json",
                "the public half of skey.json",
                () -> publicKey(Vectors.json("ear/veraison-2023/pkey.json"))
                                .equals(publicKey(Vectors.json("ear/veraison-2023/skey.json")))
                        ? "the public half of skey.json"
                        : "another");
    }

    private void diceRows() {
        for (String file : Vectors.files("dice/open-dice", ".der")) {
            boolean signed = file.endsWith("zeroinput-x509-ed25519.der");
            row(file, signed ? "a layer, not-configured, verifies" : "a layer, not-configured", () -> {
                Certificate certificate = Certificate.parse(Vectors.bytes(file));
                DiceChain.Layer layer =
                        DiceChain.of(List.of(certificate)).layers().getFirst();
                String got = "a layer, " + layer.mode();
                if (!signed) {
                    return got;
                }
                PublicKeyInfo issuer = PublicKeyInfo.parse(Bytes.ofHex("302a300506032b6570032100"
                        + "6ee9a71fd3c398e6253aae6d812007675760ecf90d2d43db0d3c76087ba1daec"));
                return got + (certificate.isSignedBy(issuer) ? ", verifies" : ", fails");
            });
        }
        for (String file : Vectors.files("dice/open-dice", ".cose")) {
            boolean p384 = file.contains("p384");
            row(file, p384 ? "a certificate signed with ES384" : "a certificate signed with ES256", () -> {
                OpenDice.CborCertificate certificate = OpenDice.CborCertificate.parse(Vectors.bytes(file));
                return "a certificate signed with " + certificate.message().algorithm();
            });
        }
    }

    private void requestRows() {
        row("csr/tcgAttestTpmCertify.pem", "one statement, 2.23.133.20.1, about the key it names", () -> {
            Bytes der = Pem.contents(Vectors.text("csr/tcgAttestTpmCertify.pem"), Pem.CERTIFICATE_REQUEST)
                    .getFirst();
            DerReader info = DerReader.of(der).sequence().sequence();
            info.skip();
            info.skip();
            info.skip();
            DerReader attributes = info.enter(0xa0);
            DerReader attribute = attributes.sequence();
            boolean known = attribute.oid().equals(AttestationBundle.ATTRIBUTE);
            AttestationBundle bundle = AttestationBundle.parse(attribute.set().element());
            KeyCertification statement = bundle.statements().getFirst().tpmCertification();
            TpmAttest.Certify certify =
                    (TpmAttest.Certify) TpmAttest.parse(statement.attest()).statement();
            boolean named = TpmPublic.parse(statement.publicArea()).name().equals(certify.name());
            return (known && bundle.statements().size() == 1 ? "one statement, " : "other statements, ")
                    + bundle.statements().getFirst().type()
                    + (named ? ", about the key it names" : ", about another key");
        });
        for (String file : Vectors.files("csr/pkix-evidence", ".pem")) {
            row(file, "DER, of a format that is not appraised", () -> {
                for (Pem.Block block : Pem.blocks(Vectors.text(file))) {
                    DerReader.of(block.content()).sequence();
                }
                return "DER, of a format that is not appraised";
            });
        }
        for (String file : Vectors.files("csr/pkix-evidence", ".crt")) {
            row(
                    file,
                    "a certificate",
                    () -> Certificate.parsePem(Vectors.text(file)).size() == 1 ? "a certificate" : "");
        }
        row(
                "tpm/keylime/idevid/iak_idevid_chain.pem",
                "certificates",
                () -> Certificate.parsePem(Vectors.text("tpm/keylime/idevid/iak_idevid_chain.pem"))
                                .isEmpty()
                        ? "none"
                        : "certificates");
    }

    /// Values and sources that stand beside the vectors: each is checked against what it belongs to.
    private void companionRows() {
        for (String file : Vectors.files("corim/draft-ietf", ".diag")) {
            if (file.contains("/intrep-")) {
                row(file, "for people: how the draft's verifier thinks", () -> {
                    Vectors.text(file);
                    return "for people: how the draft's verifier thinks";
                });
            }
        }
        row("corim/draft-ietf/cmw-corim-collection.diag", "a collection with a CoRIM, numbers to be assigned", () -> {
            String text = Vectors.text("corim/draft-ietf/cmw-corim-collection.diag");
            return text.contains("__cmwc_t") && text.contains("TBD1") && text.contains("501(")
                    ? "a collection with a CoRIM, numbers to be assigned"
                    : "another";
        });
        for (String file : List.of(
                "corim/corim/src/good-corim.yaml",
                "corim/corim/src/meta.yaml",
                "corim/psa-profile/psa-valid.yaml",
                "psa/tfm-iat-verifier/iat.yaml",
                "csr/cca.diag",
                "csr/pkix-evidence/evidence1.pp",
                "csr/pkix-evidence/evidence2.pp",
                "csr/pkix-evidence/evidence3.pp",
                "tpm/swtpm/generate.sh")) {
            row(file, "for people", () -> Vectors.text(file).isBlank() ? "empty" : "for people");
        }
        for (String file : List.of("corim/corim/comid.json", "corim/corim/corim.json")) {
            row(file, "a source in JSON", () -> Vectors.json(file).isObject() ? "a source in JSON" : "another");
        }
        for (String file :
                List.of("dice/open-dice/descriptorinput-cdi-attest.bin", "dice/open-dice/zeroinput-cdi-attest.bin")) {
            row(
                    file,
                    "a secret of 32 bytes",
                    () -> "a secret of " + Vectors.bytes(file).size() + " bytes");
        }
        row("optional/cca/cpak.json", "a key on P-384", () -> {
            publicKey(Vectors.json("optional/cca/cpak.json"));
            return "a key on "
                    + Vectors.json("optional/cca/cpak.json").get("crv").asString();
        });
        row(
                "psa/rfc9783/tfm-es-iak.json",
                "the key of tfm-es-iak.pem",
                () -> publicKey(Vectors.json("psa/rfc9783/tfm-es-iak.json")).equals(pem("psa/rfc9783/tfm-es-iak.pem"))
                        ? "the key of tfm-es-iak.pem"
                        : "another");
        row("psa/rfc9783/tfm-hs-iak.json", "the key of tfm-hs-iak.bin, folded by RFC 8792", () -> {
            String text = Vectors.text("psa/rfc9783/tfm-hs-iak.json");
            String unfolded = text.substring(text.indexOf('{')).replaceAll("\\\\\n *\\\\?", "");
            Bytes key = Bytes.ofBase64Url(Json.text(
                    Json.parseObject(Bytes.of(unfolded.getBytes(StandardCharsets.UTF_8)))
                            .get("k"),
                    "k"));
            return key.equals(Vectors.bytes("psa/rfc9783/tfm-hs-iak.bin"))
                    ? "the key of tfm-hs-iak.bin, folded by RFC 8792"
                    : "another";
        });
        row(
                "psa/veraison-e2e/ec256.json",
                "the key of ec-p256.jwk",
                () -> publicKey(Vectors.json("psa/veraison-e2e/ec256.json"))
                                .equals(publicKey(Vectors.json("psa/veraison-e2e/ec-p256.jwk")))
                        ? "the key of ec-p256.jwk"
                        : "another");
        for (String file : List.of(
                "psa/veraison-e2e/psa-claims-profile-2-without-nonce.json", "psa/veraison-e2e/src/psa-evidence.json")) {
            row(file, "the components of psa-evidence.cbor", () -> {
                PsaToken token =
                        PsaToken.parse(PsaToken.parseEnvelope(Vectors.bytes("psa/veraison-e2e/psa-evidence.cbor"))
                                .content());
                List<Bytes> told = new ArrayList<>();
                for (JsonNode component : Vectors.json(file).get("psa-software-components")) {
                    told.add(Bytes.ofBase64(component.get("measurement-value").asString()));
                }
                return token.components().stream()
                                .map(SoftwareComponent::measurement)
                                .toList()
                                .equals(told)
                        ? "the components of psa-evidence.cbor"
                        : "others";
            });
        }
        for (String file : List.of("comid-psa-refval", "comid-psa-ta", "corim-psa")) {
            String path = "psa/veraison-e2e/src/" + file + ".json";
            row(path, "a source in JSON", () -> Vectors.json(path).isObject() ? "a source in JSON" : "another");
        }
        row(
                "tpm/keylime/actcred.out",
                "the secret that was wrapped",
                () -> Vectors.bytes("tpm/keylime/actcred.out").equals(Vectors.bytes("tpm/keylime/secret.data"))
                        ? "the secret that was wrapped"
                        : "another");
        row("tpm/keylime/mkcred.out", "of the form that we make", () -> {
            PublicKeyInfo ek =
                    TpmPublic.parseSized(Vectors.bytes("tpm/keylime/ek.pub")).key();
            Bytes ours = CredentialActivation.challenge(
                            ek,
                            Vectors.bytes("tpm/keylime/ak.name"),
                            Vectors.bytes("tpm/keylime/secret.data").toArray(),
                            new SecureRandom())
                    .toolsFile();
            Bytes theirs = Vectors.bytes("tpm/keylime/mkcred.out");
            return ours.size() == theirs.size() && ours.slice(0, 12).equals(theirs.slice(0, 12))
                    ? "of the form that we make"
                    : "another form, " + ours.size() + " and " + theirs.size() + " bytes";
        });
        row("tpm/keylime/ek.pub", "the key of ekpub.pem, no attestation key", () -> {
            TpmPublic ek = TpmPublic.parseSized(Vectors.bytes("tpm/keylime/ek.pub"));
            return (CoseKey.of(ek.key()).equals(pem("tpm/keylime/ekpub.pem")) ? "the key of ekpub.pem" : "another")
                    + (ek.isAttestationKey() ? "" : ", no attestation key");
        });
        row("tpm/keylime/quotepcr.out", "the values that quote.out has the digest of", () -> {
            Bytes file = Vectors.bytes("tpm/keylime/quotepcr.out");
            Bytes values = Bytes.EMPTY;
            // A dump of the tool's memory: a selection of 132 bytes, two counts, then digests in 64 bytes of room each.
            for (int each = 0; each < 3; each++) {
                int at = 132 + 8 + each * 66 + 2;
                values = values.concat(file.slice(at, at + 32));
            }
            TpmAttest.Quote quote = (TpmAttest.Quote)
                    TpmAttest.parse(Vectors.bytes("tpm/keylime/quote.out")).statement();
            return quote.pcrDigest().equals(values.sha256()) ? "the values that quote.out has the digest of" : "others";
        });
        row("tpm/swtpm/ldevid.tpm2b_creation_data", "what the certification has the hash of", () -> {
            Bytes data = Vectors.bytes("tpm/swtpm/ldevid.tpm2b_creation_data");
            TpmAttest.Creation creation =
                    (TpmAttest.Creation) TpmAttest.parse(Vectors.bytes("tpm/swtpm/ldevid.certifycreation.attest"))
                            .statement();
            return creation.creationHash().equals(data.slice(2, data.size()).sha256())
                    ? "what the certification has the hash of"
                    : "another";
        });
        row("tpm/swtpm/platform.crt.der", "a certificate of the TPM maker's issuer", () -> {
            Certificate platform = Certificate.parse(Vectors.bytes("tpm/swtpm/platform.crt.der"));
            Certificate issuer = Certificate.parsePem(Vectors.text("tpm/swtpm/ca-issuer.pem"))
                    .getFirst();
            return platform.isSignedBy(issuer.publicKey()) ? "a certificate of the TPM maker's issuer" : "another's";
        });
    }

    private void otherRows() {
        for (String file : Vectors.files("corim/coserv", ".cbor")) {
            row(file, "the same in four notations", () -> {
                String base = file.substring(0, file.length() - 5);
                Bytes encoded = Vectors.bytes(file);
                boolean same = encoded.hex().equals(Vectors.text(base + ".hex").strip())
                        && encoded.equals(
                                Bytes.ofBase64Url(Vectors.text(base + ".b64u").strip()))
                        && Cbor.read(encoded, CborLimits.TOKEN).equals(Vectors.diagnostic(base + ".diag"));
                return same ? "the same in four notations" : "different";
            });
        }
        row(
                "optional/cca/cca-token-01.cbor",
                "read as CBOR; not appraised",
                () -> Cbor.read(Vectors.bytes("optional/cca/cca-token-01.cbor"), CborLimits.TOKEN)
                                .equals(Vectors.diagnostic("optional/cca/cca-token-01.diag"))
                        ? "read as CBOR; not appraised"
                        : "different");
        row("psa/veraison-e2e/psa-endorsements.cbor", "instance-identity 2, hardware 2, executables 2", () -> {
            Corim corim = Corim.parse(Vectors.bytes("psa/veraison-e2e/psa-endorsements.cbor"));
            Instant at = Instant.parse("2026-06-01T00:00:00Z");
            Endorsements endorsements = Endorsements.of(List.of(new Endorsements.Source(corim, "ACME")), at);
            Trust trust = new Trust(
                    endorsements,
                    Trust.KnownKeys.none(),
                    TrustAnchors.of(List.of()),
                    new PathCheck(16),
                    _ -> Trust.Revocation.Status.GOOD);
            Bytes nonce = Bytes.ofHex("414a7c174141b3d0e9a1d28af31520f0d42299feac4007ded89d68ae6cd92f19");
            Verdict verdict = new Appraiser(endorsements, Policy.defaultPolicy())
                    .appraise(
                            new EvidenceVerifier(trust, nonce, at)
                                    .verify(new Evidence(
                                            Evidence.PSA_2_0_0, Vectors.bytes("psa/veraison-e2e/psa-evidence.cbor"))),
                            Map.of());
            Map<TrustClaim, Integer> values = Objects.requireNonNull(
                            Objects.requireNonNull(verdict.appraisals().get("PSA_IOT"))
                                    .vector())
                    .values();
            return "instance-identity " + values.get(TrustClaim.INSTANCE_IDENTITY) + ", hardware "
                    + values.get(TrustClaim.HARDWARE) + ", executables " + values.get(TrustClaim.EXECUTABLES);
        });
        row("corim/draft-ietf/comid-psa-endval.diag", "a certificate number for one component", () -> {
            Tag.Comid comid = Tag.Comid.of(Vectors.diagnostic("corim/draft-ietf/comid-psa-endval.diag"));
            Triple.Conditional conditional =
                    (Triple.Conditional) comid.triples().getFirst();
            return conditional.conditions().size() == 1
                            && conditional
                                            .endorsements()
                                            .getFirst()
                                            .measurements()
                                            .getFirst()
                                            .values()
                                            .get(Measurement.PSA_CERTIFICATE_NUMBER)
                                    instanceof Cbor.TextString
                    ? "a certificate number for one component"
                    : "another";
        });
        // These are for people, or say for people what others say for machines.
        for (String file : List.of("MANIFEST.tsv", "SOURCES.md")) {
            row(file, "for people", () -> "for people");
        }
    }
}
