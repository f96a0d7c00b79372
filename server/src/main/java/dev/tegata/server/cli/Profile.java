// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.common.FlowStyle;

/// Where the server is and who we are: from the environment, else from the profile file.
///
/// The file is `$TEGATA_PROFILE`, or `tegata/profile.yaml` under `$XDG_CONFIG_HOME` (`~/.config`), readable by its
/// owner
/// only:
///
/// ```
/// url: https://localhost:8443
/// apiKey: tgt_…
/// ca: /home/me/.local/share/tegata/tls/ca.pem
/// ```
///
/// @param ca the PEM file with the CA that the server's TLS certificate chains to, where it is not a public one
record Profile(URI url, Optional<String> apiKey, Optional<Path> ca) {
    static final URI DEFAULT_URL = URI.create("https://localhost:8443");

    static Profile load(Map<String, String> environment) {
        Map<String, String> file = read(file(environment));
        return new Profile(
                value(environment, "TEGATA_URL", file, "url").map(Profile::uri).orElse(DEFAULT_URL),
                value(environment, "TEGATA_API_KEY", file, "apiKey"),
                value(environment, "TEGATA_CA", file, "ca").map(Path::of));
    }

    private static Optional<String> value(
            Map<String, String> environment, String variable, Map<String, String> file, String key) {
        return Optional.ofNullable(environment.get(variable))
                .or(() -> Optional.ofNullable(file.get(key)))
                .filter(text -> !text.isBlank());
    }

    private static URI uri(String text) {
        URI uri = URI.create(text);
        if (!"https".equals(uri.getScheme()) || uri.getHost() == null) {
            throw new CommandFailure("the server's address must be like https://host:8443, not '" + text + "'");
        }
        return uri;
    }

    static Path file(Map<String, String> environment) {
        String explicit = environment.get("TEGATA_PROFILE");
        if (explicit != null) {
            return Path.of(explicit);
        }
        String configHome = environment.get("XDG_CONFIG_HOME");
        Path base = configHome != null
                ? Path.of(configHome)
                : Path.of(environment.getOrDefault("HOME", System.getProperty("user.home")), ".config");
        return base.resolve("tegata").resolve("profile.yaml");
    }

    private static Map<String, String> read(Path file) {
        if (!Files.exists(file)) {
            return Map.of();
        }
        try {
            Object content = new Load(LoadSettings.builder().build()).loadFromString(Files.readString(file));
            Map<String, String> values = new TreeMap<>();
            if (content instanceof Map<?, ?> map) {
                map.forEach((key, value) -> values.put(String.valueOf(key), String.valueOf(value)));
            }
            for (String key : values.keySet()) {
                if (!key.equals("url") && !key.equals("apiKey") && !key.equals("ca")) {
                    throw new CommandFailure(file + " has the unknown key '" + key + "'; known are url, apiKey and ca");
                }
            }
            return values;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    /// Writes the profile file anew, readable by its owner only.
    void save(Path file) {
        Map<String, String> values = new TreeMap<>();
        values.put("url", url.toString());
        apiKey.ifPresent(key -> values.put("apiKey", key));
        ca.ifPresent(path -> values.put("ca", path.toAbsolutePath().toString()));
        String yaml = new Dump(DumpSettings.builder()
                        .setDefaultFlowStyle(FlowStyle.BLOCK)
                        .build())
                .dumpToString(values);
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Path temporary = Files.createTempFile(
                    file.toAbsolutePath().getParent(),
                    "profile",
                    ".new",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.writeString(temporary, yaml);
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }
}
