// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server;

import dev.tegata.pki.key.Pkcs11Config;
import dev.tegata.pki.key.Secret;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.Texts;
import dev.tegata.platform.store.DatabaseConfig;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/// How a server is set up: checked, complete, and the same however it was given. See [Setting] for what
/// each one is.
///
/// @param database empty for the embedded one
/// @param databasePool how many connections are opened at most
/// @param publicUrl empty for that of the public port on this machine
/// @param webhookPrivateTargets whether webhooks may go to loopback, link-local and private addresses
/// @param tls empty for the server's own identity
public record ServerConfig(
        Path data,
        Optional<DatabaseConfig> database,
        int databasePool,
        VaultConfig vault,
        Ports ports,
        Optional<String> publicUrl,
        WaysIn waysIn,
        boolean webhookPrivateTargets,
        List<String> tlsNames,
        Optional<TlsFiles> tls) {

    /// Where private keys live.
    public sealed interface VaultConfig {}

    /// Keys sealed in the database. Without a passphrase, under a key in a file of the data folder.
    ///
    /// @param next what keys are to be sealed under next, while that is being changed
    public record Software(Optional<Secret> passphrase, Optional<Secret> next) implements VaultConfig {}

    /// Keys in an HSM.
    ///
    /// @param replicas further tokens with the same keys; usually none
    public record Hsm(Pkcs11Config config, List<Pkcs11Config> replicas) implements VaultConfig {
        public Hsm {
            replicas = List.copyOf(replicas);
        }
    }

    /// The address that all listeners bind to, and their ports.
    public record Ports(String listen, int api, int devices, int publicPki, int metrics) {}

    /// What devices are offered beside EST, CMP and ACME over TLS.
    ///
    /// @param cmpOverHttp CMP on the public port too
    /// @param coapPort of EST over CoAP; empty where it is off
    public record WaysIn(boolean cmpOverHttp, OptionalInt coapPort) {}

    /// The operator's own certificate and key.
    public record TlsFiles(Path certificate, Path key) {}

    public ServerConfig {
        tlsNames = List.copyOf(tlsNames);
    }

    /// Whether others can connect, but cannot reach what certificates say of their status.
    boolean statusIsOutOfReach() {
        return !isLocal(ports.listen())
                && publicUrl.map(url -> isLocal(URI.create(url).getHost())).orElse(true);
    }

    private static boolean isLocal(String host) {
        return host.equals("localhost") || host.equals("::1") || host.equals("[::1]") || host.startsWith("127.");
    }

    /// The defaults with a data folder and any free ports: for tests and the demo.
    public static ServerConfig onFreePorts(Path data) {
        return read(
                Map.of(
                        Setting.DATA, data.toString(),
                        Setting.API_PORT, "0",
                        Setting.DEVICE_PORT, "0",
                        Setting.PUBLIC_PORT, "0",
                        Setting.METRICS_PORT, "0"),
                Map.of(),
                null);
    }

    /// Puts the settings together and checks them.
    ///
    /// @param arguments from the command line
    /// @param environment all of it; only the variables of settings are looked at
    /// @param file a YAML file of settings; null for none
    /// @throws InvalidConfigException with a sentence for everything that is wrong
    public static ServerConfig read(
            Map<Setting, String> arguments, Map<String, String> environment, @Nullable Path file) {
        Values values = new Values();
        for (Setting setting : Setting.values()) {
            values.put(setting, setting.fallback());
        }
        if (file != null) {
            values.readFile(file);
        }
        for (Setting setting : Setting.values()) {
            String variable = environment.get(setting.variable());
            if (variable != null) {
                values.put(setting, variable);
            }
        }
        arguments.forEach((setting, value) -> values.putOpenly("--" + setting.key(), setting, value));
        return values.check();
    }

    /// Settings on their way to a configuration, and what is wrong with them.
    private static final class Values {
        private static final int LARGEST_FILE = 64 * 1024;

        private final Map<Setting, String> texts = new EnumMap<>(Setting.class);
        private final List<String> wrong = new ArrayList<>();

        void put(Setting setting, String value) {
            texts.put(setting, value.strip());
        }

        void putOpenly(String place, Setting setting, String value) {
            if (setting.isSecret()) {
                wrong.add(
                        place + " is a secret and is read from the environment only: set " + setting.variable() + ".");
            } else {
                put(setting, value);
            }
        }

        void readFile(Path file) {
            try {
                if (Files.size(file) > LARGEST_FILE) {
                    wrong.add("The configuration file " + file + " is larger than " + LARGEST_FILE + " bytes.");
                    return;
                }
                Object content = new Load(LoadSettings.builder()
                                .setAllowDuplicateKeys(false)
                                .setMaxAliasesForCollections(0)
                                .build())
                        .loadFromString(Files.readString(file));
                if (content instanceof Map<?, ?> map) {
                    map.forEach((key, value) -> readEntry(file, String.valueOf(key), value));
                } else if (content != null) {
                    wrong.add("The configuration file " + file + " must hold lines of the form 'setting: value'.");
                }
            } catch (IOException e) {
                wrong.add("The configuration file " + file + " cannot be read.");
            } catch (YamlEngineException e) {
                wrong.add("The configuration file " + file + " is no YAML: " + e.getMessage());
            }
        }

        private void readEntry(Path file, String key, @Nullable Object value) {
            Optional<Setting> setting = Arrays.stream(Setting.values())
                    .filter(candidate -> candidate.key().equals(key))
                    .findFirst();
            if (setting.isEmpty()) {
                String known = Arrays.stream(Setting.values())
                        .filter(candidate -> !candidate.isSecret())
                        .map(Setting::key)
                        .collect(Collectors.joining(", "));
                wrong.add("'" + Texts.quoted(key) + "' in " + file + " is no setting. There are: " + known + ".");
                return;
            }
            String text = value instanceof List<?> list
                    ? list.stream().map(String::valueOf).collect(Collectors.joining(","))
                    : value == null ? "" : value.toString();
            putOpenly("'" + key + "' in " + file, setting.get(), text);
        }

        ServerConfig check() {
            Path data = Path.of(text(Setting.DATA).isEmpty() ? "." : text(Setting.DATA))
                    .toAbsolutePath();
            int pool = number(Setting.DATABASE_POOL, 2, 1000);
            Optional<DatabaseConfig> database = database();
            VaultConfig vault = vault(data);
            Ports ports = new Ports(
                    text(Setting.LISTEN),
                    port(Setting.API_PORT),
                    port(Setting.DEVICE_PORT),
                    port(Setting.PUBLIC_PORT),
                    port(Setting.METRICS_PORT));
            List<Integer> chosen = Stream.of(ports.api(), ports.devices(), ports.publicPki(), ports.metrics())
                    .filter(port -> port != 0)
                    .toList();
            if (chosen.stream().distinct().count() < chosen.size()) {
                wrong.add("api-port, device-port, public-port and metrics-port must be four different ones.");
            }
            int coapPort = port(Setting.COAP_PORT);
            WaysIn waysIn = new WaysIn(
                    bool(Setting.CMP_OVER_HTTP), bool(Setting.COAP) ? OptionalInt.of(coapPort) : OptionalInt.empty());
            List<String> names = Arrays.stream(text(Setting.TLS_NAMES).split(",", -1))
                    .map(String::strip)
                    .filter(name -> !name.isEmpty())
                    .toList();
            for (String name : names) {
                if (!isName(name)) {
                    wrong.add("tls-names holds '" + Texts.quoted(name)
                            + "', which is no host name and no address; a port does not belong to it.");
                }
            }
            boolean webhookPrivateTargets = bool(Setting.WEBHOOK_PRIVATE_TARGETS);
            Optional<TlsFiles> tls = tls();
            Optional<String> publicUrl = publicUrl();
            if (!wrong.isEmpty()) {
                throw new InvalidConfigException(wrong);
            }
            return new ServerConfig(
                    data, database, pool, vault, ports, publicUrl, waysIn, webhookPrivateTargets, names, tls);
        }

        private static boolean isName(String text) {
            boolean address = text.contains(":") || text.matches("[0-9.]+");
            if (!address) {
                return text.matches("[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*") && text.length() <= 253;
            }
            try {
                return text.contains(":")
                        ? text.matches("[0-9A-Fa-f:.]+")
                                && !Inet6Address.ofLiteral(text).isAnyLocalAddress()
                        : Inet4Address.ofLiteral(text).getHostAddress().equals(text);
            } catch (IllegalArgumentException e) {
                return false;
            }
        }

        private String text(Setting setting) {
            return texts.getOrDefault(setting, "");
        }

        private Optional<DatabaseConfig> database() {
            if (text(Setting.DATABASE).isEmpty()) {
                return Optional.empty();
            }
            try {
                DatabaseConfig config = DatabaseConfig.parse(text(Setting.DATABASE));
                Optional<String> password = passwordFile(Setting.DATABASE_PASSWORD_FILE);
                return Optional.of(password.map(config::withPassword).orElse(config));
            } catch (RefusedException e) {
                wrong.add("database: " + e.detail() + ".");
                return Optional.empty();
            }
        }

        private VaultConfig vault(Path data) {
            return switch (text(Setting.VAULT)) {
                case "software" ->
                    new Software(
                            secretFile(Setting.VAULT_PASSPHRASE_FILE)
                                    .or(() -> given(Setting.VAULT_PASSPHRASE).map(Secret::of)),
                            secretFile(Setting.VAULT_NEXT_PASSPHRASE_FILE));
                case "pkcs11" -> hsm(data);
                default -> {
                    wrong.add("vault must be 'software' or 'pkcs11', not '" + Texts.quoted(text(Setting.VAULT)) + "'.");
                    yield new Software(Optional.empty(), Optional.empty());
                }
            };
        }

        private VaultConfig hsm(Path data) {
            Path library = file(Setting.PKCS11_LIBRARY);
            int sessions = number(Setting.PKCS11_SESSIONS, 1, 256);
            Duration timeout = Duration.ofSeconds(number(Setting.PKCS11_TIMEOUT, 1, 3600));
            if (text(Setting.PKCS11_SECRET_FILE).isEmpty()) {
                wrong.add(Setting.PKCS11_SECRET_FILE.key() + " is needed: " + Setting.PKCS11_SECRET_FILE.description());
            }
            Secret secret = secretFile(Setting.PKCS11_SECRET_FILE).orElse(Secret.of(""));
            if (!wrong.isEmpty()) {
                return new Software(Optional.empty(), Optional.empty());
            }
            try {
                Pkcs11Config config = given(Setting.PKCS11_TOKEN)
                        .map(label -> Pkcs11Config.sharedToken(library, label, secret))
                        .orElseGet(() -> Pkcs11Config.tokenPerSpace(library, secret))
                        .withSessions(sessions)
                        .withTimeout(timeout)
                        .withRefusals(data.resolve("refused-pins"));
                return new Hsm(config, replicas(config));
            } catch (VaultException e) {
                wrong.add(e.getMessage() + ".");
                return new Software(Optional.empty(), Optional.empty());
            }
        }

        private List<Pkcs11Config> replicas(Pkcs11Config config) {
            List<Pkcs11Config> replicas = new ArrayList<>();
            if (!text(Setting.PKCS11_REPLICAS).isEmpty() && config.sharedToken() == null) {
                wrong.add("pkcs11-replicas needs pkcs11-token: tokens that are made at run time have no replicas.");
                return replicas;
            }
            for (String replica : text(Setting.PKCS11_REPLICAS).split(",", -1)) {
                int colon = replica.lastIndexOf(':');
                String label = replica.substring(colon + 1).strip();
                Path library = colon < 0
                        ? config.library()
                        : Path.of(replica.substring(0, colon).strip()).toAbsolutePath();
                if (!Files.isReadable(library)) {
                    wrong.add("pkcs11-replicas names " + library + ", which cannot be read.");
                } else if (!label.isEmpty()) {
                    replicas.add(config.withToken(library, label));
                }
            }
            return replicas;
        }

        private Optional<String> publicUrl() {
            Optional<String> url = given(Setting.PUBLIC_URL);
            url.filter(text -> !isPublicUrl(text))
                    .ifPresent(text -> wrong.add(
                            "public-url must be an http:// URL without a slash at its end, such as http://pki.example.com, not '"
                                    + Texts.quoted(text) + "'."));
            return url;
        }

        /// It stands in certificates for as long as they last, so what looks odd is refused.
        private static boolean isPublicUrl(String text) {
            if (!text.matches("http://[A-Za-z0-9.\\[\\]:-]{1,253}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){0,5}")) {
                return false;
            }
            try {
                URI uri = new URI(text).parseServerAuthority();
                return uri.getPort() <= 65_535
                        && uri.getPort() != 0
                        && !uri.getRawAuthority().endsWith(":");
            } catch (URISyntaxException e) {
                return false;
            }
        }

        private Optional<TlsFiles> tls() {
            boolean certificate = !text(Setting.TLS_CERTIFICATE).isEmpty();
            boolean key = !text(Setting.TLS_KEY).isEmpty();
            if (certificate != key) {
                wrong.add("tls-certificate and tls-key go together: give both, or none for the server's own.");
            }
            return certificate && key
                    ? Optional.of(new TlsFiles(file(Setting.TLS_CERTIFICATE), file(Setting.TLS_KEY)))
                    : Optional.empty();
        }

        private boolean bool(Setting setting) {
            String text = text(setting);
            if (!text.equals("true") && !text.equals("false")) {
                wrong.add(setting.key() + " must be 'true' or 'false', not '" + Texts.quoted(text) + "'.");
            }
            return text.equals("true");
        }

        private int port(Setting setting) {
            return number(setting, 0, 65_535);
        }

        private int number(Setting setting, int lowest, int highest) {
            try {
                int number = Integer.parseInt(text(setting));
                if (number >= lowest && number <= highest) {
                    return number;
                }
            } catch (NumberFormatException ignored) {
                // Said below.
            }
            wrong.add("%s must be a number from %d to %d, not '%s'."
                    .formatted(setting.key(), lowest, highest, Texts.quoted(text(setting))));
            return lowest;
        }

        /// A file that must be there.
        private Path file(Setting setting) {
            Path path = Path.of(text(setting)).toAbsolutePath();
            if (text(setting).isEmpty()) {
                wrong.add(setting.key() + " is needed: " + setting.description());
            } else if (!Files.isReadable(path)) {
                wrong.add(setting.key() + " names " + path + ", which cannot be read.");
            }
            return path;
        }

        private Optional<String> given(Setting setting) {
            return Optional.of(text(setting)).filter(text -> !text.isEmpty());
        }

        private Optional<Secret> secretFile(Setting setting) {
            try {
                return given(setting).map(path -> Secret.ofFile(Path.of(path)));
            } catch (VaultException e) {
                wrong.add(setting.key() + ": " + e.getMessage() + ".");
                return Optional.empty();
            }
        }

        private Optional<String> passwordFile(Setting setting) {
            try {
                return given(setting).isEmpty()
                        ? Optional.empty()
                        : Optional.of(Files.readString(file(setting)).strip());
            } catch (IOException e) {
                // Said by the check of the file.
                return Optional.empty();
            }
        }
    }
}
