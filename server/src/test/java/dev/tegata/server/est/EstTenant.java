// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.est;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tegata.chip.ChipFactory;
import dev.tegata.chip.ManifestVersion;
import dev.tegata.chip.VirtualChip;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.server.RunningServer;
import dev.tegata.server.RunningServer.TestTenant;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A tenant of the running server, and what its operator does over the REST API so that devices may enrol.
public final class EstTenant {
    public final RunningServer running;
    public final TestTenant tenant;

    public EstTenant(String name) {
        this(RunningServer.shared(), name);
    }

    public EstTenant(RunningServer running, String name) {
        this.running = running;
        this.tenant = running.createTenant(name);
    }

    /// Makes a fleet.
    ///
    /// @param settings JSON members besides the name, such as `"policy":{…}`; may be empty
    public String fleet(String settings) {
        String body = "{\"name\":\"Locks\"" + (settings.isEmpty() ? "" : "," + settings) + "}";
        return created(post("/api/v1/fleets", body)).path("id").asString();
    }

    /// Claims a device by its serial number alone.
    ///
    /// @return the device's id
    public String claim(String fleet) {
        String serial = randomSerial();
        importList(fleet, "serial\n" + serial + "\n");
        return deviceOf(serial);
    }

    /// Claims a device with its birth key.
    ///
    /// @return the device's id
    public String claim(String fleet, SoftwareKey birth) {
        return claim(fleet, birth.publicKey().encoded());
    }

    /// @param birth SubjectPublicKeyInfo in DER
    public String claim(String fleet, Bytes birth) {
        String serial = randomSerial();
        importList(fleet, "serial,publicKey\n" + serial + "," + birth.base64() + "\n");
        return deviceOf(serial);
    }

    private void importList(String fleet, String csv) {
        JsonNode report = upload(fleet, "list.csv&statement=true", csv.getBytes(StandardCharsets.UTF_8));
        assertThat(report.path("claimed").asInt()).as(report.toString()).isOne();
    }

    /// Claims chips with the manifest that their factory signs; the factory is trusted from now on.
    public void claim(String fleet, ChipFactory factory, List<VirtualChip> chips) {
        String signer = pem(factory.manifestSigner().certificate());
        String body = JsonMapper.shared()
                .createObjectNode()
                .put("purpose", "manifest-signer")
                .put("certificate", signer)
                .toString();
        assertThat(post("/api/v1/trusted-certificates", body).statusCode()).isIn(201, 409);
        ByteArrayOutputStream manifest = new ByteArrayOutputStream();
        try {
            factory.manifestSigner().write(chips, ManifestVersion.FULL, Instant.now(), manifest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        JsonNode report = upload(fleet, "chips.json", manifest.toByteArray());
        assertThat(report.path("claimed").asInt()).as(report.toString()).isEqualTo(chips.size());
    }

    private JsonNode upload(String fleet, String fileName, byte[] content) {
        return created(running.send(
                running.to(tenant.ownerKey(), "/api/v1/fleets/" + fleet + "/manifests?fileName=" + fileName)
                        .POST(BodyPublishers.ofByteArray(content))));
    }

    /// A one-time token for the device.
    public String token(String device) {
        return created(post("/api/v1/devices/" + device + "/claim-tokens", "{\"validity\":\"PT1H\"}"))
                .path("secret")
                .asString();
    }

    /// A one-time token for the device that CMP can use too, with its reference.
    public JsonNode sharedSecret(String device) {
        return created(post("/api/v1/devices/" + device + "/claim-tokens", "{\"validity\":\"PT1H\",\"cmp\":true}"));
    }

    /// Offers ACME to a fleet, for these names, with http-01 fetched from this machine.
    public void offerAcme(String fleet, String names, int port) {
        HttpResponse<String> response = running.send(running.to(tenant.ownerKey(), "/api/v1/fleets/" + fleet + "/acme")
                .header("Content-Type", "application/json")
                .PUT(BodyPublishers.ofString(
                        "{\"names\":[\"%s\"],\"networks\":[\"127.0.0.0/8\"],\"httpPort\":%d}".formatted(names, port))));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }

    /// A key of external account binding for the device, which is at this address.
    public JsonNode acmeKey(String device, String address) {
        return acmeKey(device, address, "*.gateways.example");
    }

    /// The same, for these names.
    public JsonNode acmeKey(String device, String address, String names) {
        return created(post(
                "/api/v1/devices/" + device + "/acme-keys",
                "{\"validity\":\"PT1H\",\"address\":\"%s\",\"names\":[\"%s\"]}".formatted(address, names)));
    }

    /// Whether this certificate of the device is revoked.
    public boolean revoked(String device, SerialNumber serial) {
        return get("/api/v1/devices/" + device + "/certificates")
                .path("items")
                .valueStream()
                .filter(item -> certificate(item.at("/certificate/pem").asString())
                        .serial()
                        .equals(serial))
                .anyMatch(item -> item.hasNonNull("revokedAt"));
    }

    /// Waits until the audit shows this action on the subject.
    public void awaitRecord(String subject, String action) {
        long deadline = System.nanoTime() + 90_000_000_000L;
        while (get("/api/v1/audit/records?subject=" + subject)
                .path("items")
                .valueStream()
                .noneMatch(record -> record.path("action").asString().equals(action))) {
            assertThat(System.nanoTime()).as("no %s of %s", action, subject).isLessThan(deadline);
            pause();
        }
    }

    /// Suspends, resumes, revokes, approves or rejects the device.
    public void change(String device, String action) {
        String body = action.equals("approve") || action.equals("reject") ? "" : "{\"reason\":\"test\"}";
        assertThat(post("/api/v1/devices/" + device + "/" + action, body).statusCode())
                .isIn(200, 204);
    }

    public String state(String device) {
        return get("/api/v1/devices/" + device).path("state").asString();
    }

    /// The certificates that the device has, newest first.
    public List<Certificate> certificates(String device) {
        return get("/api/v1/devices/" + device + "/certificates")
                .path("items")
                .valueStream()
                .map(item -> certificate(item.at("/certificate/pem").asString()))
                .toList();
    }

    public JsonNode history(String device) {
        return get("/api/v1/devices/" + device + "/history").path("items");
    }

    /// Waits until the device's history shows a refusal with this code: refusals are written in the
    /// background.
    public JsonNode awaitRefusal(String subject, String code) {
        long deadline = System.nanoTime() + 90_000_000_000L;
        while (true) {
            JsonNode records = get("/api/v1/audit/records?subject=" + subject).path("items");
            for (JsonNode record : records) {
                if (record.at("/detail/code").asString().equals(code)) {
                    return record;
                }
            }
            assertThat(System.nanoTime())
                    .as("no refusal %s of %s in %s", code, subject, records)
                    .isLessThan(deadline);
            pause();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(100);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    public JsonNode get(String path) {
        HttpResponse<String> response = running.get(tenant.ownerKey(), path);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return RunningServer.body(response);
    }

    public HttpResponse<String> post(String path, String body) {
        return running.post(tenant.ownerKey(), path, body);
    }

    public String deviceOf(String serial) {
        return get("/api/v1/devices?serial=" + serial).at("/items/0/id").asString();
    }

    static JsonNode created(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(201);
        return RunningServer.body(response);
    }

    /// The address of an operation of the fleet.
    public URI est(String fleet, String operation) {
        return URI.create(running.server().devicesUrl() + "/.well-known/est/" + fleet + "/" + operation);
    }

    /// The root and the authorities under it.
    public List<Certificate> authorities() {
        return get("/api/v1/authorities")
                .path("items")
                .valueStream()
                .map(item -> certificate(item.at("/certificate/pem").asString()))
                .toList();
    }

    /// The CA of the server's TLS certificate.
    public Bytes tlsAuthority() {
        try {
            return certificate(Files.readString(running.server().authorityFile().orElseThrow()))
                    .encoded();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Certificate certificate(String pem) {
        try {
            return Certificate.parsePem(pem).getFirst();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String pem(byte[] der) {
        try {
            return Certificate.parse(Bytes.of(der)).pem();
        } catch (InvalidCertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String randomSerial() {
        byte[] serial = new byte[9];
        ThreadLocalRandom.current().nextBytes(serial);
        return HexFormat.of().formatHex(serial);
    }
}
