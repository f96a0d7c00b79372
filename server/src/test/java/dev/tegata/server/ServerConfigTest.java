// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServerConfigTest {
    @TempDir
    Path folder;

    private static ServerConfig read(Map<Setting, String> arguments) {
        return ServerConfig.read(arguments, Map.of(), null);
    }

    private ServerConfig readFile(String yaml) throws Exception {
        Path file = Files.writeString(folder.resolve("tegata.yaml"), yaml);
        return ServerConfig.read(Map.of(), Map.of(), file);
    }

    private static void assertRefused(Map<Setting, String> arguments, String... sentences) {
        assertThatThrownBy(() -> read(arguments))
                .isInstanceOf(InvalidConfigException.class)
                .hasMessageContainingAll(sentences);
    }

    @Test
    void theDefaultsListenOnLoopbackAndKeepEverythingInOneFolder() {
        ServerConfig config = read(Map.of());

        assertThat(config.ports()).isEqualTo(new ServerConfig.Ports("127.0.0.1", 8443, 8444, 8080, 9464));
        assertThat(config.data()).isEqualTo(Path.of("tegata-data").toAbsolutePath());
        assertThat(config.database()).isEmpty();
        assertThat(config.vault()).isInstanceOf(ServerConfig.Software.class);
    }

    @Test
    void theCommandLineWinsOverTheEnvironmentAndThatOverTheFile() throws Exception {
        Path file = Files.writeString(folder.resolve("tegata.yaml"), "api-port: 1\ndevice-port: 2\npublic-port: 3\n");
        ServerConfig config = ServerConfig.read(
                Map.of(Setting.API_PORT, "11"),
                Map.of("TEGATA_API_PORT", "21", "TEGATA_DEVICE_PORT", "22", "TEGATA_URL", "no setting"),
                file);

        assertThat(config.ports().api()).isEqualTo(11);
        assertThat(config.ports().devices()).isEqualTo(22);
        assertThat(config.ports().publicPki()).isEqualTo(3);
    }

    @Test
    void everythingThatIsWrongIsSaidAtOnce() {
        assertRefused(
                Map.of(
                        Setting.API_PORT, "80443",
                        Setting.DATABASE, "mysql://x",
                        Setting.VAULT, "cloud",
                        Setting.TLS_KEY, "/no/such/file",
                        Setting.TLS_NAMES, "a b"),
                "api-port must be a number from 0 to 65535, not '80443'.",
                "database: ",
                "vault must be 'software' or 'pkcs11', not 'cloud'.",
                "tls-certificate and tls-key go together",
                "tls-names holds 'a b'");
    }

    @Test
    void noTwoListenersShareAPort() {
        assertRefused(Map.of(Setting.API_PORT, "8444"), "must be four different ones");
        assertThat(ServerConfig.onFreePorts(Path.of("x")).ports().api()).isZero();
    }

    @Test
    void namesOfTheServerAreHostNamesOrAddresses() {
        String good = "tegata.example,192.0.2.7,2001:db8::1,host-1";

        assertThat(ServerConfig.read(Map.of(Setting.TLS_NAMES, good), Map.of(), null)
                        .tlsNames())
                .hasSize(4);
        for (String bad :
                List.of("tegata.example:8443", "1.2.3", "123456789012", "999.1.1.1", "a..b", ":", "::", "fe80::1%lo")) {
            assertRefused(Map.of(Setting.TLS_NAMES, bad), "tls-names holds '" + bad + "'");
        }
    }

    @Test
    void aFileMayHoldNothingButSettings() {
        for (String wrong : new String[] {"api-prot: 1", "api-port: 1\napi-port: 2", "- x", "a: [", "&a [*a]"}) {
            assertThatThrownBy(() -> readFile(wrong)).isInstanceOf(InvalidConfigException.class);
        }
        assertThatThrownBy(() -> readFile("api-prot: 1")).hasMessageContaining("'api-prot'");
    }

    @Test
    void listsMayStandAsLists() throws Exception {
        assertThat(readFile("tls-names: [a.example, 192.0.2.1]").tlsNames()).containsExactly("a.example", "192.0.2.1");
    }

    @Test
    void aSecretComesFromTheEnvironmentOrFromAFileOfItsOwn() throws Exception {
        assertRefused(Map.of(Setting.VAULT_PASSPHRASE, "x"), "TEGATA_VAULT_PASSPHRASE");
        assertThatThrownBy(() -> readFile("vault-passphrase: x")).hasMessageContaining("TEGATA_VAULT_PASSPHRASE");
        ServerConfig config = ServerConfig.read(Map.of(), Map.of("TEGATA_VAULT_PASSPHRASE", "correct horse"), null);
        assertThat(((ServerConfig.Software) config.vault()).passphrase()).isPresent();
        assertThat(config.toString()).doesNotContain("horse");

        Path open = Files.writeString(folder.resolve("open"), "secret");
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rw-r--r--"));
        assertRefused(Map.of(Setting.VAULT_PASSPHRASE_FILE, open.toString()), "is open to other users");
    }

    @Test
    void theHsmNeedsItsLibraryAndItsSecret() {
        assertRefused(Map.of(Setting.VAULT, "pkcs11"), "pkcs11-library is needed", "pkcs11-secret-file is needed");
    }

    @Test
    void theAddressThatStandsInCertificatesIsOneThatCanBeReached() {
        for (String good : new String[] {
            "http://pki.example.com", "http://192.0.2.1:8080", "http://[2001:db8::1]:8080", "http://example.com/pki/v1"
        }) {
            assertThat(read(Map.of(Setting.PUBLIC_URL, good)).publicUrl()).contains(good);
        }
        for (String wrong : new String[] {
            "https://pki.example.com",
            "http://pki.example.com/",
            "http://",
            "http://:80",
            "http://pki.example.com:",
            "http://pki.example.com:port",
            "http://pki.example.com:99999",
            "http://pki.example.com:0",
            "http://pki..example.com",
            "http://[2001:db8",
            "http://me@example.com",
            "http://example.com/a//b",
            "http://example.com/../b",
            "http://example.com?x",
            "ftp://example.com",
            "pki.example.com",
            "http://example.com/a b"
        }) {
            assertRefused(Map.of(Setting.PUBLIC_URL, wrong), "public-url must be an http:// URL");
        }
        assertThat(read(Map.of()).publicUrl()).isEmpty();
    }

    @Test
    void whoeverListensForOthersIsWarnedOfAnAddressThatTheyCannotReach() {
        assertThat(read(Map.of()).statusIsOutOfReach()).isFalse();
        assertThat(read(Map.of(Setting.LISTEN, "0.0.0.0")).statusIsOutOfReach()).isTrue();
        assertThat(read(Map.of(Setting.LISTEN, "0.0.0.0", Setting.PUBLIC_URL, "http://pki.example.com"))
                        .statusIsOutOfReach())
                .isFalse();
        assertThat(read(Map.of(Setting.LISTEN, "0.0.0.0", Setting.PUBLIC_URL, "http://127.0.0.1:8080"))
                        .statusIsOutOfReach())
                .isTrue();
    }

    @Test
    void aPasswordInAUrlIsNotShown() {
        assertThat(read(Map.of(Setting.DATABASE, "postgresql://me:hunter2@db/tegata"))
                        .toString())
                .doesNotContain("hunter2");
        assertThat(message(Map.of(Setting.DATABASE, "postgresql:/me:hunter2@db/tegata")))
                .doesNotContain("hunter2");
    }

    private static @Nullable String message(Map<Setting, String> arguments) {
        try {
            return read(arguments).toString();
        } catch (InvalidConfigException e) {
            return e.getMessage();
        }
    }

    @Test
    void everySettingHasADescriptionThatEndsAsASentence() {
        for (Setting setting : Setting.values()) {
            assertThat(setting.description()).isNotBlank().endsWith(".");
        }
    }
}
