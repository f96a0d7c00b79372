// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.verify;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.attestation.appraisal.Evidence;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.CryptoKeys;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.cose.CoseKey;
import dev.tegata.attestation.cose.CoseMessage;
import dev.tegata.attestation.cose.Signer;
import dev.tegata.attestation.eat.Eat;
import dev.tegata.attestation.ecc608.KeyAttestation;
import dev.tegata.attestation.result.Ear;
import dev.tegata.attestation.result.EarProfile;
import dev.tegata.attestation.result.Tier;
import dev.tegata.attestation.tpm.PcrValues;
import dev.tegata.attestation.tpm.TpmAttest;
import dev.tegata.attestation.tpm.TpmEvidence;
import dev.tegata.attestation.tpm.TpmPublic;
import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.Preset;
import dev.tegata.chip.VirtualChip;
import dev.tegata.chip.driver.Ecc608;
import dev.tegata.chip.driver.Transport;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.PublicKeyInfo;
import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.spec.MGF1ParameterSpec;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

@DisplayName("The verifier over HTTP")
class VerifierApiTest {
    private static final RunningServer SERVER = RunningServer.shared();
    private static final Path VECTORS = Path.of(System.getProperty("tegata.shared", "../shared"), "vectors", "rats");
    private static final String CORIM = "application/rim+cbor";
    private static final String PSA_NONCE = "414a7c174141b3d0e9a1d28af31520f0d42299feac4007ded89d68ae6cd92f19";

    private static TestTenant other;

    private final TestTenant tenant = SERVER.createTenant("Verifier");

    @BeforeAll
    static void createOther() {
        other = SERVER.createTenant("Other verifier");
    }

    private static byte[] vector(String file) {
        Assumptions.assumeTrue(Files.isDirectory(VECTORS), () -> "skipped: no vectors in " + VECTORS);
        try {
            return Files.readAllBytes(VECTORS.resolve(file));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private HttpResponse<String> send(String key, String path, String type, byte[] body, String accept) {
        return SERVER.send(SERVER.to(key, path)
                .header("Content-Type", type)
                .header("Accept", accept)
                .POST(BodyPublishers.ofByteArray(body)));
    }

    private HttpResponse<String> send(String path, String type, byte[] body) {
        return send(tenant.ownerKey(), path, type, body, "*/*");
    }

    private JsonNode created(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isIn(200, 201);
        return RunningServer.body(response);
    }

    private JsonNode submit(byte[] corim) {
        return created(send("/api/v1/endorsements", CORIM, corim));
    }

    private JsonNode open(String query) {
        HttpResponse<String> opened = SERVER.post(tenant.ownerKey(), "/challenge-response/v1/newSession" + query, "");
        JsonNode session = created(opened);
        String location = opened.headers().firstValue("Location").orElseThrow();
        assertThat(location).matches("session/[0-9a-f-]{36}");
        return ((tools.jackson.databind.node.ObjectNode) session)
                .put(
                        "path",
                        URI.create("/challenge-response/v1/newSession")
                                .resolve(location)
                                .toString());
    }

    /// The tenant's result key, as relying parties find it: without credentials.
    private CoseKey resultKey() throws Exception {
        HttpResponse<String> keys = SERVER.client()
                .send(
                        HttpRequest.newBuilder(URI.create(SERVER.server().apiUrl() + "/tenants/" + tenant.id()
                                        + "/.well-known/jwks.json"))
                                .build(),
                        BodyHandlers.ofString());
        JsonNode key = RunningServer.body(keys).at("/keys/0");
        return CoseKey.of(PublicKeyInfo.ofP256Point(
                Bytes.ofBase64Url(key.path("x").asString()),
                Bytes.ofBase64Url(key.path("y").asString())));
    }

    private static byte[] corim(String id, Triple... triples) {
        Tag.Comid comid = new Tag.Comid(null, new TagIdentity(Cbor.of(id), 1), List.of(), List.of(), List.of(triples));
        return new Corim(Cbor.of(id), List.of(comid), List.of(), null, null, List.of())
                .encode()
                .toArray();
    }

    @Test
    @DisplayName("PSA: the exchange of the known verifier's own test gives its values, once")
    void psa() throws Exception {
        JsonNode provisioned = created(send(
                "/endorsement-provisioning/v1/submit",
                "application/corim-unsigned+cbor; profile=http://arm.com/psa/iot/1",
                vector("psa/veraison-e2e/psa-endorsements.cbor")));
        assertThat(provisioned.path("status").asString()).isEqualTo("success");
        Bytes nonce = Bytes.ofHex(PSA_NONCE);
        JsonNode session = open("?nonce=" + nonce.base64Url() + "=");
        assertThat(session.path("nonce").asString()).isEqualTo(nonce.base64Url());
        assertThat(session.path("status").asString()).isEqualTo("waiting");
        byte[] token = vector("psa/veraison-e2e/psa-evidence.cbor");
        String path = session.path("path").asString();
        JsonNode complete = created(send(path, Evidence.PSA_2_0_0, token));
        assertThat(complete.path("status").asString()).isEqualTo("complete");
        Ear ear = Ear.verifyJwt(complete.path("result").asString(), resultKey(), Instant.now());
        assertThat(ear.profile()).isEqualTo(EarProfile.DRAFT_04);
        assertThat(ear.status()).isEqualTo(Tier.AFFIRMING);
        assertThat(ear.submodules()).containsOnlyKeys("PSA_IOT");
        assertThat(send(path, Evidence.PSA_2_0_0, token).statusCode()).isEqualTo(409);
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), path))).isEqualTo(complete);
        // The caller's nonce is used up with its session.
        assertThat(SERVER.post(tenant.ownerKey(), "/challenge-response/v1/newSession?nonce=" + nonce.base64Url(), "")
                        .statusCode())
                .isEqualTo(409);
        assertThat(SERVER.send(SERVER.to(tenant.ownerKey(), path).DELETE()).statusCode())
                .isEqualTo(204);
        assertThat(SERVER.get(tenant.ownerKey(), path).statusCode()).isEqualTo(404);
    }

    @Test
    @DisplayName("the profile of 2023 and CWT are there for who asks; what is wrong with evidence is a signed result")
    void forms() throws Exception {
        byte[] token = vector("psa/veraison-e2e/psa-evidence.cbor");
        HttpResponse<String> old = send(
                tenant.ownerKey(),
                "/api/v1/appraisals",
                Evidence.PSA_2_0_0,
                token,
                "application/eat+jwt; eat_profile=\"" + EarProfile.VERAISON_2023.uri() + "\"");
        Ear ear = Ear.verifyJwt(old.body(), resultKey(), Instant.now());
        assertThat(ear.profile()).isEqualTo(EarProfile.VERAISON_2023);
        assertThat(ear.status()).isEqualTo(Tier.CONTRAINDICATED);
        HttpResponse<byte[]> cwt = SERVER.client()
                .send(
                        SERVER.to(tenant.ownerKey(), "/api/v1/appraisals")
                                .header("Content-Type", Evidence.PSA_2_0_0)
                                .header("Accept", "application/eat+cwt")
                                .POST(BodyPublishers.ofByteArray(token))
                                .build(),
                        BodyHandlers.ofByteArray());
        assertThat(Ear.verifyCwt(Bytes.of(cwt.body()), resultKey(), Instant.now())
                        .status())
                .isEqualTo(Tier.CONTRAINDICATED);
        JsonNode described = created(send("/api/v1/appraisals", Evidence.PSA, new byte[] {1, 2, 3}));
        assertThat(described.at("/attesters/0/problem").asString()).isEqualTo("malformed");
        assertThat(described.at("/vector/hardware").asInt()).isEqualTo(99);
        String id = described.path("id").asString();
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/appraisals/" + id))
                        .path("claims"))
                .isEqualTo(described.path("claims"));
        assertThat(SERVER.get(other.ownerKey(), "/api/v1/appraisals/" + id).statusCode())
                .isEqualTo(404);
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/appraisals"))
                        .path("items"))
                .hasSize(3);
    }

    @Test
    @DisplayName("bad requests are problems: sizes, nonces, types, and what belongs to another tenant")
    void badRequests() {
        String open = "/challenge-response/v1/newSession";
        for (String query : List.of("?nonceSize=7", "?nonceSize=65", "?nonceSize=x", "?nonce=AAAA", "?nonce=%21%21")) {
            assertThat(SERVER.post(tenant.ownerKey(), open + query, "").statusCode())
                    .as(query)
                    .isEqualTo(422);
        }
        assertThat(SERVER.post(tenant.ownerKey(), open + "?nonceSize=32&nonce=AAAAAAAAAAAAAAAA", "")
                        .statusCode())
                .isEqualTo(400);
        assertThat(send(tenant.ownerKey(), open, "text/plain", new byte[0], "text/html")
                        .statusCode())
                .isEqualTo(406);
        String path = open("").path("path").asString();
        assertThat(send(path, "text/plain", new byte[1]).statusCode()).isEqualTo(415);
        assertThat(send(other.ownerKey(), path, Evidence.PSA, new byte[1], "*/*")
                        .statusCode())
                .isEqualTo(404);
        assertThat(SERVER.get(other.ownerKey(), path).statusCode()).isEqualTo(404);
        assertThat(SERVER.send(SERVER.to(other.ownerKey(), path).DELETE()).statusCode())
                .isEqualTo(404);
        // Larger than is read, and refused before it is.
        assertThat(send("/api/v1/endorsements", CORIM, new byte[6 << 20]).statusCode())
                .isEqualTo(413);
        assertThat(send(path, Evidence.PSA, new byte[4 << 20]).statusCode()).isEqualTo(413);
        String nonce = created(SERVER.post(tenant.ownerKey(), "/api/v1/nonces?size=64", ""))
                .path("nonce")
                .asString();
        assertThat(Bytes.ofBase64Url(nonce).size()).isEqualTo(64);
        String appraise = "/api/v1/appraisals?nonce=" + nonce;
        assertThat(send(other.ownerKey(), appraise, Evidence.PSA, new byte[1], "*/*")
                        .statusCode())
                .isEqualTo(404);
        assertThat(send(appraise, Evidence.PSA, new byte[1]).statusCode()).isEqualTo(200);
        assertThat(send(appraise, Evidence.PSA, new byte[1]).statusCode()).isEqualTo(409);
    }

    @Test
    @DisplayName("TPM: a good boot is affirmed until its reference values are withdrawn; a tampered one is not")
    void tpm() throws Exception {
        TpmPublic ak = TpmPublic.parseSized(Bytes.of(vector("tpm/swtpm/ak.tpm2b_public")));
        Environment gateway = Environment.ofModel("Example", "Gateway");
        submit(corim("keys", new Triple.Keys(true, gateway, List.of(CryptoKeys.of(ak.key())), null, List.of())));
        JsonNode reference = submit(corim("boot", new Triple.Reference(gateway, List.of(registers("fw1")))));
        assertThat(quote(ak, "fw1").path("status").asString()).isEqualTo("affirming");
        assertThat(quote(ak, "tampered-boot").path("status").asString()).isEqualTo("warning");
        String path = "/api/v1/endorsements/" + reference.path("id").asString();
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), path))
                        .at("/content/tags/0/statements")
                        .size())
                .isEqualTo(1);
        assertThat(SERVER.post(other.ownerKey(), path + "/withdraw", "").statusCode())
                .isEqualTo(404);
        assertThat(created(SERVER.post(tenant.ownerKey(), path + "/withdraw", ""))
                        .path("state")
                        .asString())
                .isEqualTo("withdrawn");
        assertThat(quote(ak, "fw1").at("/vector/executables").asInt()).isEqualTo(33);
    }

    private static PcrValues pcrs(String boot) throws Exception {
        TpmAttest attest = TpmAttest.parse(Bytes.of(vector("tpm/swtpm/quote-" + boot + ".attest")));
        TpmAttest.Quote quote = (TpmAttest.Quote) attest.statement();
        return PcrValues.ofConcatenated(quote.selections(), Bytes.of(vector("tpm/swtpm/quote-" + boot + ".pcrs")));
    }

    private static Measurement registers(String boot) throws Exception {
        TpmAttest attest = TpmAttest.parse(Bytes.of(vector("tpm/swtpm/quote-" + boot + ".attest")));
        return pcrs(boot).toMeasurement((TpmAttest.Quote) attest.statement());
    }

    private JsonNode quote(TpmPublic ak, String boot) throws Exception {
        TpmEvidence evidence = new TpmEvidence(
                ak.encoded(),
                Bytes.of(vector("tpm/swtpm/quote-" + boot + ".attest")),
                Bytes.of(vector("tpm/swtpm/quote-" + boot + ".tpmt_signature")),
                pcrs(boot),
                null,
                List.of());
        return created(send(
                "/api/v1/appraisals", TpmEvidence.MEDIA_TYPE, evidence.encode().toArray()));
    }

    @Test
    @DisplayName("ECC608: a claimed chip vouches for a key in it, and the appraisal is the device's")
    void ecc608() throws Exception {
        SecureRandom random = new SecureRandom();
        ChipFactory factory = new ChipFactory(random);
        VirtualChip chip = factory.make(Preset.TRUST_GO, Instant.now());
        String device = claim(factory, chip);
        String nonce = created(SERVER.post(tenant.ownerKey(), "/api/v1/nonces", ""))
                .path("nonce")
                .asString();
        byte[] evidence = attest(chip, Bytes.ofBase64Url(nonce), random);
        JsonNode appraised = created(send("/api/v1/appraisals?nonce=" + nonce, KeyAttestation.MEDIA_TYPE, evidence));
        assertThat(appraised.path("status").asString()).as(appraised.toString()).isEqualTo("affirming");
        assertThat(appraised.path("device").asString()).isEqualTo(device);
        JsonNode listed = RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/appraisals?device=" + device));
        assertThat(listed.path("items")).hasSize(1);
        // Without the nonce it was made for, it proves nothing.
        assertThat(created(send("/api/v1/appraisals", KeyAttestation.MEDIA_TYPE, evidence))
                        .path("status")
                        .asString())
                .isEqualTo("contraindicated");
    }

    private String claim(ChipFactory factory, VirtualChip chip) throws IOException {
        String fleet = created(SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"Locks\"}"))
                .path("id")
                .asString();
        String trust = JsonMapper.shared()
                .createObjectNode()
                .put("purpose", "manifest-signer")
                .put(
                        "certificate",
                        Pem.encode(
                                Pem.CERTIFICATE,
                                Bytes.of(factory.manifestSigner().certificate())))
                .toString();
        created(SERVER.post(tenant.ownerKey(), "/api/v1/trusted-certificates", trust));
        ByteArrayOutputStream manifest = new ByteArrayOutputStream();
        factory.manifestSigner().write(List.of(chip), ManifestVersion.FULL, Instant.now(), manifest);
        created(SERVER.send(SERVER.to(tenant.ownerKey(), "/api/v1/fleets/" + fleet + "/manifests?fileName=chips.json")
                .POST(BodyPublishers.ofByteArray(manifest.toByteArray()))));
        return RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/devices"))
                .at("/items/0/id")
                .asString();
    }

    private static byte[] attest(VirtualChip chip, Bytes nonce, SecureRandom random) throws IOException {
        try (Ecc608 driver = new Ecc608(Transport.of(chip), random)) {
            dev.tegata.chip.driver.KeyAttestation made =
                    driver.attest(1, 0, KeyAttestation.challenge(nonce, true).toArray(), false);
            return new KeyAttestation(
                            Bytes.of(made.serial()),
                            made.slot(),
                            Bytes.of(made.publicKey()),
                            Bytes.of(made.randomOut()),
                            0x08,
                            0x40,
                            made.slotLocked(),
                            Bytes.of(made.signature()))
                    .encode()
                    .toArray();
        }
    }

    @Test
    @DisplayName("EAT: a token signed by an endorsed key is judged; one by another key is contraindicated")
    void eat() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(256);
        KeyPair pair = generator.generateKeyPair();
        Signer signer = Signer.of(PublicKeyInfo.of(pair.getPublic()), pair.getPrivate());
        Bytes ueid = Bytes.ofHex("01" + "ab".repeat(16));
        Environment device = new Environment(
                null, null, null, null, null, new Cbor.Tagged(Environment.UEID_TAG, Cbor.of(ueid)), null);
        submit(corim(
                "eat-keys",
                new Triple.Keys(true, device, List.of(CryptoKeys.of(signer.publicKey())), null, List.of())));
        Cbor.MapItem claims = Cbor.map()
                .put(Eat.UEID, Cbor.of(ueid))
                .put(Eat.DEBUG_STATUS, Cbor.of(0))
                .build();
        byte[] token = CoseMessage.sign1(Cbor.map().build(), Cbor.map().build(), claims.encode(), signer)
                .encode()
                .toArray();
        JsonNode appraised = created(send("/api/v1/appraisals", Evidence.EAT_CWT, token));
        assertThat(appraised.path("scheme").asString()).as(appraised.toString()).isEqualTo("eat");
        assertThat(appraised.at("/vector/configuration").asInt()).isEqualTo(96);
        assertThat(appraised.at("/vector/instance-identity").asInt()).isEqualTo(2);
        JsonNode elsewhere = created(send(other.ownerKey(), "/api/v1/appraisals", Evidence.EAT_CWT, token, "*/*"));
        assertThat(elsewhere.at("/attesters/0/problem").asString()).isEqualTo("unknown-device");
    }

    /// Example 0 of draft-ietf-suit-manifest, and the key that signed it.
    private static final String SUIT = """
            d86ba2025873825824822f58206658ea560262696dd1f13b782239a064da7c6c5cbaf52fded428a6fc83c7e5af584ad28443
            a10126a0f658406c56f1463de7d83c945b88bceb0797958938942a71b2b4a7dffe2b4e8f07b91dd4ee3c6c48f869e668f6ce
            9113c32de6b2b17dbcabdcad5588102d486c3884df035871a50101020003585fa202818141000458568614a40150fa6b4a53
            d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab45035824822f582000112233445566778899aabbcc
            ddeeff0123456789abcdeffedcba98765432100e1987d0010f020f074382030f0943821702""";
    private static final String SUIT_KEY = """
            -----BEGIN PUBLIC KEY-----
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhJaBGq4LqqvSYVcYnuzaJr6qi/Eb
            bz/m4rVlnIXbwK07HypLbAmBMcCjbazR14vTgdzfsJwFLbM5kdtzOLSolg==
            -----END PUBLIC KEY-----
            """;

    @Test
    @DisplayName(
            "SUIT: a manifest by an allowed signer is a release; by anybody else, changed, or elsewhere it is none")
    void suit() {
        String type = "application/suit-envelope+cose";
        byte[] manifest = Bytes.ofHex(SUIT.replaceAll("\\s", "")).toArray();
        String fleet = created(SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"Suit\"}"))
                .path("id")
                .asString();
        String path = "/api/v1/releases/suit?fleet=" + fleet + "&version=1.4.0";
        assertThat(send(path, type, manifest).statusCode()).isEqualTo(422);
        created(SERVER.post(
                tenant.ownerKey(),
                "/api/v1/endorsement-signers",
                "{\"name\":\"Firmware\",\"key\":\"" + SUIT_KEY.replace("\n", "\\n") + "\"}"));
        byte[] changed = manifest.clone();
        changed[changed.length - 1] ^= 1;
        assertThat(send(path, type, changed).statusCode()).isEqualTo(422);
        assertThat(send(path, "application/cbor", manifest).statusCode()).isEqualTo(415);
        assertThat(send(path.replace("&version=1.4.0", ""), type, manifest).statusCode())
                .isEqualTo(409);
        assertThat(send(other.ownerKey(), path, type, manifest, "*/*").statusCode())
                .isIn(404, 422);
        JsonNode release = created(send(path, type, manifest));
        assertThat(release.path("version").asString()).isEqualTo("1.4.0");
        assertThat(release.path("securityCounter").asInt(-1)).isZero();
        assertThat(send(path, type, manifest).statusCode()).isEqualTo(409);
        // It acts: a device of the fleet that measures the image runs what is known.
        assertThat(RunningServer.body(SERVER.get(
                                tenant.ownerKey(),
                                "/api/v1/endorsements/"
                                        + release.path("endorsement").asString()))
                        .toString())
                .contains("ABEiM0RVZneImaq7zN3u_wEjRWeJq83v_ty6mHZUMhA");
        // It rests on its signer.
        String signer = RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/endorsement-signers"))
                .path("items")
                .valueStream()
                .filter(each -> each.path("name").asString().equals("Firmware"))
                .findFirst()
                .orElseThrow()
                .path("fingerprint")
                .asString();
        assertThat(SERVER.send(SERVER.to(tenant.ownerKey(), "/api/v1/endorsement-signers/" + signer)
                                .DELETE())
                        .statusCode())
                .isEqualTo(204);
        assertThat(RunningServer.body(SERVER.get(
                                tenant.ownerKey(),
                                "/api/v1/releases/" + release.path("id").asString()))
                        .path("status")
                        .asString())
                .isEqualTo("withdrawn");
        assertThat(RunningServer.body(SERVER.get(
                                tenant.ownerKey(),
                                "/api/v1/endorsements/"
                                        + release.path("endorsement").asString()))
                        .path("state")
                        .asString())
                .isEqualTo("withdrawn");
    }

    @Test
    @DisplayName("DICE: layers count where the tenant trusts their root")
    void dice() throws Exception {
        Certificate layer = Certificate.parse(Bytes.of(vector("dice/open-dice/descriptorinput-x509-p256.der")));
        byte[] chain = layer.pem().getBytes(StandardCharsets.US_ASCII);
        JsonNode refused = created(send("/api/v1/appraisals", Evidence.DICE_CHAIN, chain));
        assertThat(refused.at("/attesters/0/problem").asString()).isEqualTo("untrusted-certificate");
        assertThat(refused.path("status").asString()).isEqualTo("contraindicated");
    }

    @Test
    @DisplayName("a TPM that holds both keys proves its attestation key, once; its quotes are then the device's")
    void activation() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        KeyPair endorsement = generator.generateKeyPair();
        String device = claimTpm(endorsement);
        byte[] ak = vector("tpm/swtpm/ak.tpm2b_public");
        String body = JsonMapper.shared()
                .createObjectNode()
                .put("attestationKey", Bytes.of(ak).base64())
                .put(
                        "endorsementKey",
                        Pem.encode(
                                Pem.PUBLIC_KEY, Bytes.of(endorsement.getPublic().getEncoded())))
                .toString();
        String path = "/api/v1/attestation-keys/activations";
        assertThat(SERVER.post(other.ownerKey(), path, body).statusCode()).isEqualTo(403);
        JsonNode wrong = created(SERVER.post(tenant.ownerKey(), path, body));
        String wrongAnswer = path + "/" + wrong.path("id").asString() + "/answer";
        byte[] secret = solve(endorsement, TpmPublic.parseSized(Bytes.of(ak)).name(), wrong);
        assertThat(answer(other, wrongAnswer, secret).statusCode()).isEqualTo(404);
        assertThat(answer(tenant, wrongAnswer, new byte[32]).statusCode()).isEqualTo(403);
        assertThat(answer(tenant, wrongAnswer, secret).statusCode()).isEqualTo(409);
        JsonNode right = created(SERVER.post(tenant.ownerKey(), path, body));
        JsonNode key = created(answer(
                tenant,
                path + "/" + right.path("id").asString() + "/answer",
                solve(endorsement, TpmPublic.parseSized(Bytes.of(ak)).name(), right)));
        assertThat(key.path("device").asString()).isEqualTo(device);
        assertThat(key.path("vendor").asString()).isEqualTo("Verifier");
        Environment gateways = Environment.ofModel("Verifier", "Gateways");
        submit(corim("boot", new Triple.Reference(gateways, List.of(registers("fw1")))));
        JsonNode appraised = quote(TpmPublic.parseSized(Bytes.of(ak)), "fw1");
        assertThat(appraised.path("status").asString()).as(appraised.toString()).isEqualTo("affirming");
        assertThat(appraised.path("device").asString()).isEqualTo(device);
        String fingerprint = key.path("fingerprint").asString();
        assertThat(SERVER.send(SERVER.to(tenant.ownerKey(), "/api/v1/attestation-keys/" + fingerprint)
                                .DELETE())
                        .statusCode())
                .isEqualTo(204);
        assertThat(quote(TpmPublic.parseSized(Bytes.of(ak)), "fw1")
                        .at("/attesters/0/problem")
                        .asString())
                .isEqualTo("unknown-device");
    }

    private static HttpResponse<String> answer(TestTenant who, String path, byte[] secret) {
        return SERVER.post(
                who.ownerKey(), path, "{\"secret\":\"" + Bytes.of(secret).base64() + "\"}");
    }

    private String claimTpm(KeyPair endorsement) {
        String fleet = created(SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"Gateways\"}"))
                .path("id")
                .asString();
        String csv = "serial,publicKey\n0badc0de,"
                + Bytes.of(endorsement.getPublic().getEncoded()).base64() + "\n";
        created(SERVER.send(
                SERVER.to(tenant.ownerKey(), "/api/v1/fleets/" + fleet + "/manifests?fileName=tpm.csv&statement=true")
                        .POST(BodyPublishers.ofString(csv))));
        return RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/devices"))
                .at("/items/0/id")
                .asString();
    }

    /// The TPM's side of credential activation (TPM 2.0 part 1 §24), in software.
    private static byte[] solve(KeyPair endorsement, Bytes name, JsonNode challenge) throws Exception {
        Bytes idObject = Bytes.ofBase64(challenge.path("idObject").asString());
        Bytes encryptedSeed = Bytes.ofBase64(challenge.path("encryptedSecret").asString());
        Cipher rsa = Cipher.getInstance("RSA/ECB/OAEPPadding");
        rsa.init(
                Cipher.DECRYPT_MODE,
                endorsement.getPrivate(),
                new OAEPParameterSpec(
                        "SHA-256",
                        "MGF1",
                        MGF1ParameterSpec.SHA256,
                        new PSource.PSpecified("IDENTITY\0".getBytes(StandardCharsets.US_ASCII))));
        byte[] seed = rsa.doFinal(encryptedSeed.slice(2, encryptedSeed.size()).toArray());
        Mac kdf = Mac.getInstance("HmacSHA256");
        kdf.init(new SecretKeySpec(seed, "HmacSHA256"));
        kdf.update(new byte[] {0, 0, 0, 1});
        kdf.update("STORAGE\0".getBytes(StandardCharsets.US_ASCII));
        kdf.update(name.toArray());
        byte[] key = Arrays.copyOf(kdf.doFinal(new byte[] {0, 0, 0, (byte) 128}), 16);
        Cipher aes = Cipher.getInstance("AES/CFB/NoPadding");
        aes.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(new byte[16]));
        // The size of the whole, the size of the HMAC, the HMAC; then what is encrypted: a size and the secret.
        byte[] opened = aes.doFinal(idObject.slice(36, idObject.size()).toArray());
        return Arrays.copyOfRange(opened, 2, opened.length);
    }

    @Test
    @DisplayName("discovery names media types and the key, with credentials and under the tenant's prefix")
    void discovery() throws Exception {
        JsonNode own = RunningServer.body(SERVER.get(tenant.ownerKey(), "/.well-known/veraison/verification"));
        HttpResponse<String> open = SERVER.client()
                .send(
                        HttpRequest.newBuilder(URI.create(SERVER.server().apiUrl() + "/tenants/" + tenant.id()
                                        + "/.well-known/veraison/verification"))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(RunningServer.body(open)).isEqualTo(own);
        assertThat(own.path("media-types").toString()).contains("psa-attestation-token");
        assertThat(own.at("/ear-verification-key/kty").asString()).isEqualTo("EC");
        JsonNode rotated = created(SERVER.post(tenant.ownerKey(), "/api/v1/result-keys", ""));
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), "/api/v1/result-keys"))
                        .path("items"))
                .hasSize(2);
        assertThat(rotated.path("id").asString())
                .isNotEqualTo(own.at("/ear-verification-key/kid").asString());
    }

    @Test
    @DisplayName("what a fleet offers by ACME is changed in part")
    void acmeChange() {
        String path = "/api/v1/fleets/"
                + created(SERVER.post(tenant.ownerKey(), "/api/v1/fleets", "{\"name\":\"Gateways\"}"))
                        .path("id")
                        .asString()
                + "/acme";
        assertThat(patched(tenant.ownerKey(), path, "{\"attestation\":true}").statusCode())
                .isEqualTo(404);
        HttpResponse<String> set = SERVER.send(SERVER.to(tenant.ownerKey(), path)
                .header("Content-Type", "application/json")
                .PUT(BodyPublishers.ofString("{\"names\":[\"*.a.example\"],\"networks\":[\"10.0.0.0/8\"]}")));
        assertThat(set.statusCode()).as(set.body()).isEqualTo(200);
        JsonNode changed = RunningServer.body(patched(tenant.ownerKey(), path, "{\"attestation\":true}"));
        assertThat(changed.path("attestation").asBoolean()).isTrue();
        assertThat(changed.at("/names/0").asString()).isEqualTo("*.a.example");
        assertThat(changed.path("httpPort").asInt()).isEqualTo(80);
        assertThat(patched(tenant.ownerKey(), path, "{\"httpPort\":0}").statusCode())
                .isEqualTo(422);
        assertThat(patched(other.ownerKey(), path, "{\"attestation\":false}").statusCode())
                .isEqualTo(404);
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), path))).isEqualTo(changed);
    }

    private static HttpResponse<String> patched(String key, String path, String body) {
        return SERVER.send(SERVER.to(key, path)
                .header("Content-Type", "application/json")
                .method("PATCH", BodyPublishers.ofString(body)));
    }

    @Test
    @DisplayName("policies are added, tested, activated and rolled back")
    void policies() {
        String document = """
                {"policy":{"id":"strict","version":1,"rules":[{"name":"all","when":"true","set":{"hardware":96},
                "reason":"nothing is good enough","remedy":"none"}]},
                "tests":[{"name":"any","scheme":"psa","expect":{"status":"%s"}}]}""";
        String path = "/api/v1/appraisal-policies";
        HttpResponse<String> wrong = SERVER.post(tenant.ownerKey(), path, document.formatted("affirming"));
        assertThat(wrong.statusCode()).isEqualTo(422);
        assertThat(wrong.body()).contains("policy-invalid", "the status is contraindicated, not affirming");
        assertThat(created(SERVER.post(tenant.ownerKey(), path + "/test", document.formatted("affirming")))
                        .path("passed")
                        .asBoolean())
                .isFalse();
        String good = document.formatted("contraindicated");
        for (String misspelt : List.of(
                good.replace("\"version\":1,", "\"version\":1,\"unknownPart\":\"none\","),
                good.replace("\"when\"", "\"scheme\":\"psa\",\"wen\":\"true\",\"when\""),
                good.replace("\"expect\"", "\"vektor\":{},\"expect\""),
                good.replace("\"status\":", "\"rule\":[],\"status\":"))) {
            for (String each : List.of(path, path + "/test")) {
                HttpResponse<String> unknown = SERVER.post(tenant.ownerKey(), each, misspelt);
                assertThat(unknown.statusCode()).as(unknown.body()).isEqualTo(422);
                assertThat(unknown.body()).contains("policy-invalid", "is not known: there are ");
            }
        }
        created(SERVER.post(tenant.ownerKey(), path, good));
        assertThat(SERVER.post(other.ownerKey(), path + "/strict/1/activate", "")
                        .statusCode())
                .isEqualTo(404);
        assertThat(created(SERVER.post(tenant.ownerKey(), path + "/strict/1/activate", ""))
                        .path("active")
                        .asBoolean())
                .isTrue();
        assertThat(created(SERVER.post(tenant.ownerKey(), path + "/rollback", ""))
                        .path("id")
                        .asString())
                .isEqualTo("tegata-default");
        assertThat(RunningServer.body(SERVER.get(tenant.ownerKey(), path + "/activations"))
                        .path("items"))
                .hasSize(2);
    }
}
