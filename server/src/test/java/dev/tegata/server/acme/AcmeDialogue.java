// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.EcdsaSignature;
import dev.tegata.pki.key.KeyAlgorithm;
import dev.tegata.pki.key.SignatureAlgorithm;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.est.EstTenant;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import tools.jackson.databind.JsonNode;

/// A client of ACME that says exactly what a test wants it to say.
public class AcmeDialogue {
    public final SoftwareKey key = SoftwareKey.generate(KeyAlgorithm.EC_P256);
    String account = "";
    private final EstTenant tenant;
    private final String fleet;

    public AcmeDialogue(EstTenant tenant, String fleet) {
        this.tenant = tenant;
        this.fleet = fleet;
    }

    static String url(String fleet, String path) {
        return RunningServer.shared().server().devicesUrl() + "/acme/" + fleet + path;
    }

    static HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return RunningServer.shared().client().send(request.build(), BodyHandlers.ofString());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    static String nonce(String fleet) {
        return send(HttpRequest.newBuilder(URI.create(url(fleet, "/new-nonce"))))
                .headers()
                .firstValue("Replay-Nonce")
                .orElseThrow();
    }

    public static String jwk(SoftwareKey key) {
        byte[] point = key.publicKey().encoded().toArray();
        return "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}"
                .formatted(
                        Bytes.of(point, 27, 32).base64Url(),
                        Bytes.of(point, 59, 32).base64Url());
    }

    public static String base64(String text) {
        return Bytes.of(text.getBytes(StandardCharsets.UTF_8)).base64Url();
    }

    static String jws(String header, String payload, SoftwareKey signer) {
        String input = base64(header) + "." + base64(payload);
        byte[] der = signer.sign(SignatureAlgorithm.ECDSA_SHA256, input.getBytes(StandardCharsets.US_ASCII));
        return jws(header, payload, Bytes.of(EcdsaSignature.rawOf(der, KeyAlgorithm.EC_P256)));
    }

    static String jws(String header, String payload, Bytes signature) {
        return "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}"
                .formatted(base64(header), base64(payload), signature.base64Url());
    }

    String header(String nonce, String url) {
        String who = account.isEmpty() ? "\"jwk\":" + jwk(key) : "\"kid\":\"" + account + "\"";
        return "{\"alg\":\"ES256\",%s,\"nonce\":\"%s\",\"url\":\"%s\"}".formatted(who, nonce, url);
    }

    static HttpResponse<String> post(String url, String body) {
        return send(HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/jose+json")
                .POST(BodyPublishers.ofString(body)));
    }

    public HttpResponse<String> post(String path, String payload, SoftwareKey signer) {
        String url = path.startsWith("https:") ? path : url(fleet, path);
        return post(url, jws(header(nonce(fleet), url), payload, signer));
    }

    static void assertProblem(HttpResponse<String> response, int status, String type) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(RunningServer.json(response.body()).path("type").asString())
                .isEqualTo("urn:ietf:params:acme:error:" + type);
        assertThat(response.headers().firstValue("Replay-Nonce")).isPresent();
    }

    /// The payload of newAccount with a binding made with `secret`.
    String binding(String id, String secret, SoftwareKey bound) {
        String header = "{\"alg\":\"HS256\",\"kid\":\"%s\",\"url\":\"%s\"}".formatted(id, url(fleet, "/new-account"));
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(Bytes.ofBase64Url(secret).toArray(), "HmacSHA256"));
            Bytes tag = Bytes.of(
                    mac.doFinal((base64(header) + "." + base64(jwk(bound))).getBytes(StandardCharsets.US_ASCII)));
            return "{\"termsOfServiceAgreed\":true,\"externalAccountBinding\":" + jws(header, jwk(bound), tag) + "}";
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// Makes an account that speaks for the device.
    public void register(String device) {
        register(tenant.acmeKey(device, "127.0.0.1"));
    }

    /// Makes the account of a key of external account binding.
    void register(JsonNode binding) {
        HttpResponse<String> made = post(
                "/new-account",
                binding(binding.path("id").asString(), binding.path("secret").asString(), key),
                key);
        assertThat(made.statusCode()).as(made.body()).isEqualTo(201);
        account = made.headers().firstValue("Location").orElseThrow();
    }
}
