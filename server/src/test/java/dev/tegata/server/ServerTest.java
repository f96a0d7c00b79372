// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.store.DatabaseConfig;
import dev.tegata.platform.testing.TestDatabase;
import dev.tegata.server.http.TlsClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/// A server on a PostgreSQL that is there already, from its first start on, over its restarts.
class ServerTest {
    @RegisterExtension
    static final TestDatabase DATABASE = new TestDatabase();

    @TempDir
    Path folder;

    private Map<Setting, String> settings() {
        DatabaseConfig database = DATABASE.config();
        String separator = database.jdbcUrl().contains("?") ? "&" : "?";
        String url = database.jdbcUrl() + separator + "user=" + database.user() + "&password=" + database.password();
        return Map.of(
                Setting.DATA, folder.toString(),
                Setting.DATABASE, url,
                Setting.API_PORT, "0",
                Setting.DEVICE_PORT, "0",
                Setting.PUBLIC_PORT, "0",
                Setting.METRICS_PORT, "0");
    }

    private static int tenants(Server server) throws Exception {
        String key = Files.readString(server.operatorKeyFile()).strip();
        HttpRequest request = HttpRequest.newBuilder(URI.create(server.apiUrl() + "/api/v1/tenants"))
                .header("Authorization", "Bearer " + key)
                .build();
        try (HttpClient client = TlsClient.trusting(server.authorityFile().orElseThrow())) {
            return client.send(request, BodyHandlers.ofString()).statusCode();
        }
    }

    @Test
    @DisplayName("a port that somebody takes between the check and the opening is said by the setting's name too")
    void aPortThatIsTakenMeanwhile() throws Exception {
        ServerConfig.Ports ports = ServerConfig.read(settings(), Map.of(), null).ports();
        UncheckedIOException failed = new UncheckedIOException(new IOException("java.net.BindException"));
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertThatThrownBy(() -> ListenAddresses.open(ports, Setting.API_PORT, taken.getLocalPort(), () -> {
                        throw failed;
                    }))
                    .isInstanceOf(InvalidConfigException.class)
                    .hasMessageContaining("api-port: port " + taken.getLocalPort())
                    .hasMessageContaining("is taken");
        }
        assertThatThrownBy(() -> ListenAddresses.open(ports, Setting.API_PORT, 0, () -> {
                    throw failed;
                }))
                .isSameAs(failed);
    }

    @Test
    void aServerKeepsItsFacesKeysAndDataOverARestartAndAFailedStart() throws Exception {
        Map<String, String> environment = Map.of("TEGATA_VAULT_PASSPHRASE", "correct horse battery staple");
        byte[] authority;
        try (Server first = Server.start(ServerConfig.read(settings(), environment, null))) {
            assertThat(first.firstStart()).isTrue();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(first.operatorKeyFile())))
                    .isEqualTo("rw-------");
            assertThat(tenants(first)).isEqualTo(200);
            authority = Files.readAllBytes(first.authorityFile().orElseThrow());
        }
        assertThat(folder.resolve("vault.key")).doesNotExist();

        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Map<Setting, String> blocked = new java.util.HashMap<>(settings());
            blocked.put(Setting.API_PORT, Integer.toString(taken.getLocalPort()));
            assertThatThrownBy(() -> Server.start(ServerConfig.read(blocked, environment, null)))
                    .hasMessageContaining("is taken");
        }

        assertThatThrownBy(() ->
                        Server.start(ServerConfig.read(settings(), Map.of("TEGATA_VAULT_PASSPHRASE", "short"), null)))
                .isInstanceOf(VaultException.class);
        Map<String, String> other = Map.of("TEGATA_VAULT_PASSPHRASE", "another horse battery staple");
        assertThatThrownBy(() -> Server.start(ServerConfig.read(settings(), other, null)))
                .isInstanceOf(VaultException.class)
                .hasMessageContaining("sealed under");

        try (Server again = Server.start(ServerConfig.read(settings(), environment, null))) {
            assertThat(again.firstStart()).isFalse();
            assertThat(again.authorityFile().orElseThrow()).hasBinaryContent(authority);
            assertThat(tenants(again)).isEqualTo(200);
        }

        String old = Files.readString(Server.replaceOperatorKey(ServerConfig.read(settings(), environment, null)));
        assertThat(old).startsWith("tgo_");
    }
}
