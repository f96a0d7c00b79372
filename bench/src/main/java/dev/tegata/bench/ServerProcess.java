// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.bench;

import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.DatabaseConfig;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

/// `./tegata serve` in a process of its own, on free ports.
final class ServerProcess implements AutoCloseable {
    private static final Pattern HEAP = Pattern.compile("(?m)^jvm_memory_used_bytes\\{area=\"heap\".*\\} (\\S+)$");
    private static final Pattern RESIDENT = Pattern.compile("(?m)^VmRSS:\\s+(\\d+) kB$");
    private static final ObjectReader FIRST_VALUE =
            JsonMapper.shared().readerFor(JsonNode.class).without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final Process process;
    private final JsonNode addresses;
    private final double secondsToReady;
    private final Path data;
    private String ownerKey = "";

    private ServerProcess(Process process, JsonNode addresses, double secondsToReady, Path data) {
        this.process = process;
        this.addresses = addresses;
        this.secondsToReady = secondsToReady;
        this.data = data;
    }

    /// Starts a server on a data folder, and returns when it says that it is ready.
    static ServerProcess start(Path data) throws IOException {
        Path log = data.resolveSibling(data.getFileName() + ".log");
        long begun = System.nanoTime();
        Process process = new ProcessBuilder(List.of(
                        Checkout.launcher().toString(),
                        "serve",
                        "--json",
                        "--data=" + data,
                        "--api-port=0",
                        "--device-port=0",
                        "--public-port=0",
                        "--metrics-port=0"))
                .redirectError(log.toFile())
                .start();
        try {
            JsonNode addresses = FIRST_VALUE.readValue(process.getInputStream());
            return new ServerProcess(process, addresses, (System.nanoTime() - begun) / 1e9, data);
        } catch (JacksonException e) {
            process.destroy();
            throw new IOException("the server did not start:\n" + Files.readString(log), e);
        }
    }

    double secondsToReady() {
        return secondsToReady;
    }

    String devicesUrl() {
        return addresses.path("devices").asString();
    }

    String apiUrl() {
        return addresses.path("api").asString();
    }

    /// Of the tenant that was made last.
    String ownerKey() {
        return ownerKey;
    }

    /// Its embedded database, to fill it without asking the server.
    Database openDatabase() throws IOException {
        Path folder = data.resolve("postgres");
        return Database.open(new DatabaseConfig(
                "jdbc:postgresql://127.0.0.1:"
                        + Files.readString(folder.resolve("port")).strip() + "/tegata",
                "tegata",
                Files.readString(folder.resolve("password")).strip(),
                2));
    }

    ProcessHandle handle() {
        return process.toHandle();
    }

    /// Its heap in use, garbage included, in MiB.
    double heap() throws IOException, InterruptedException {
        String url = addresses.path("metrics").asString() + "/metrics";
        try (HttpClient http = HttpClient.newHttpClient()) {
            String text = http.send(
                            HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString())
                    .body();
            double bytes = 0;
            Matcher pools = HEAP.matcher(text);
            while (pools.find()) {
                bytes += Double.parseDouble(pools.group(1));
            }
            return bytes / (1 << 20);
        }
    }

    /// Its resident set without the database's processes, in MiB.
    double resident() throws IOException {
        Matcher line = RESIDENT.matcher(Files.readString(Path.of("/proc/" + process.pid() + "/status")));
        if (!line.find()) {
            throw new IOException("this system does not tell how much memory a process has");
        }
        return Long.parseLong(line.group(1)) / 1024.0;
    }

    /// Makes a tenant with a fleet, and claims what a file lists on the tenant's own word.
    ///
    /// @return the fleet's id
    String newFleet(Path manifest) throws IOException, InterruptedException, GeneralSecurityException {
        try (HttpClient http = HttpClient.newBuilder().sslContext(trusting()).build()) {
            String operator = Files.readString(data.resolve("operator.key")).strip();
            String key =
                    post(http, operator, "/tenants", """
                            {"name":"Bench","subject":{"organization":"Bench","country":"IT"}}""").at("/apiKey/secret").asString();
            String fleet = post(http, key, "/fleets", "{\"name\":\"Bench\"}")
                    .path("id")
                    .asString();
            claim(http, key, fleet, manifest);
            ownerKey = key;
            return fleet;
        }
    }

    private void claim(HttpClient http, String key, String fleet, Path manifest)
            throws IOException, InterruptedException {
        JsonNode report = send(
                http,
                request(key, "/fleets/" + fleet + "/manifests?fileName=devices.csv&statement=true")
                        .header("Content-Type", "application/octet-stream")
                        .POST(HttpRequest.BodyPublishers.ofFile(manifest)));
        if (report.path("claimed").asLong() == 0) {
            throw new IllegalStateException("nothing was claimed: " + report);
        }
    }

    /// What an operator does over one connection.
    interface Operation {
        void run(Operator operator) throws Exception;
    }

    /// The owner of the tenant that was made last.
    final class Operator {
        private final HttpClient http;

        private Operator(HttpClient http) {
            this.http = http;
        }

        JsonNode get(String path) throws IOException, InterruptedException {
            return send(http, request(ownerKey, path));
        }

        void claim(String fleet, Path manifest) throws IOException, InterruptedException {
            ServerProcess.this.claim(http, ownerKey, fleet, manifest);
        }
    }

    void asOwner(Operation operation) throws Exception {
        try (HttpClient http = HttpClient.newBuilder().sslContext(trusting()).build()) {
            operation.run(new Operator(http));
        }
    }

    private JsonNode post(HttpClient http, String key, String path, String json)
            throws IOException, InterruptedException {
        return send(
                http,
                request(key, path)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    private HttpRequest.Builder request(String key, String path) {
        return HttpRequest.newBuilder(URI.create(addresses.path("api").asString() + "/api/v1" + path))
                .header("Authorization", "Bearer " + key);
    }

    private static JsonNode send(HttpClient http, HttpRequest.Builder request)
            throws IOException, InterruptedException {
        HttpResponse<String> response = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() >= 300) {
            throw new IllegalStateException("the server refused: " + response.body());
        }
        return JsonMapper.shared().readTree(response.body());
    }

    private SSLContext trusting() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var pem = Files.newInputStream(Path.of(addresses.path("ca").asString()))) {
            store.setCertificateEntry(
                    "ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    /// Stops it in order.
    @Override
    public void close() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            process.destroyForcibly().waitFor();
        }
    }
}
